package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// apiServer answers with one node and one route, and takes reports of the node.
type apiServer struct {
	silent bool // does not answer writes, once there was one
	keeps  bool // answers reads of the report

	empty atomic.Bool // has nothing

	mu      sync.Mutex
	reports []v1alpha1.MulticastNodeState
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const group = "/apis/multicast.smcroute.io/v1alpha1"
	lists := map[string][2]string{
		"/api/v1/nodes":            {`"v1","kind":"NodeList"`, `{"metadata":{"name":"n1","uid":"u1"}}`},
		"/api/v1/pods":             {`"v1","kind":"PodList"`, ""},
		group + "/multicastgroups": {`"multicast.smcroute.io/v1alpha1","kind":"MulticastGroupList"`, ""},
		group + "/multicastroutes": {`"multicast.smcroute.io/v1alpha1","kind":"MulticastRouteList"`,
			`{"metadata":{"namespace":"kube-smcroute","name":"a","uid":"u2","generation":1},"spec":{"from":{"interface":"eth0"},"sources":["192.0.2.1"],"groups":["225.1.2.3"],"to":[{"interface":"eth1"}]}}`},
	}
	w.Header().Set("Content-Type", "application/json")
	list, isList := lists[r.URL.Path]
	fail := func(code int, reason string) {
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d}`, reason, code)
	}
	switch {
	case r.URL.Query().Get("sendInitialEvents") != "": // as of a server without such lists
		fail(http.StatusUnprocessableEntity, "Invalid")
	case isList && r.URL.Query().Get("watch") != "":
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case isList && s.empty.Load():
		fmt.Fprintf(w, `{"apiVersion":%s,"metadata":{"resourceVersion":"1"},"items":[]}`, list[0])
	case isList:
		fmt.Fprintf(w, `{"apiVersion":%s,"metadata":{"resourceVersion":"1"},"items":[%s]}`, list[0], list[1])
	case r.Method == http.MethodGet && s.keeps && s.count() > 0:
		s.mu.Lock()
		state := s.reports[len(s.reports)-1]
		state.ResourceVersion = fmt.Sprint(len(s.reports))
		s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(state)
	case r.Method == http.MethodGet:
		fail(http.StatusNotFound, "NotFound")
	default:
		var state v1alpha1.MulticastNodeState
		if err := json.NewDecoder(r.Body).Decode(&state); err != nil {
			fail(http.StatusBadRequest, "BadRequest")
			return
		}
		s.mu.Lock()
		s.reports = append(s.reports, state)
		state.ResourceVersion = fmt.Sprint(len(s.reports))
		s.mu.Unlock()
		if s.silent && r.Method == http.MethodPut {
			<-r.Context().Done()
			return
		}
		_ = json.NewEncoder(w).Encode(state)
	}
}

// apiAddress is where API servers answer, in a namespace of its own.
const apiAddress = "127.0.0.1:6443"

// serve has the API server answer on the router of n, and returns the path of a
// kubeconfig.
func (n *lab) serve(s *apiServer) string {
	n.t.Helper()
	var l net.Listener
	if err := n.router.Do(func() (err error) {
		l, err = net.Listen("tcp", apiAddress)
		return err
	}); err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(n.t.Context())
	server := &http.Server{Handler: s, BaseContext: func(net.Listener) context.Context { return ctx }}
	go func() { _ = server.Serve(l) }()
	n.t.Cleanup(func() {
		cancel()
		_ = server.Close()
	})
	return n.write("kubeconfig", kubeconfig(apiAddress))
}

// all are the reports that were taken.
func (s *apiServer) all() []v1alpha1.MulticastNodeState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.reports)
}

func (s *apiServer) count() int { return len(s.all()) }

// packets are those of the route in the last report, or -1.
func (s *apiServer) packets() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reports) == 0 {
		return -1
	}
	last := s.reports[len(s.reports)-1].Status
	if len(last.Routes) != 1 || last.Routes[0].Reason != v1alpha1.ReasonProgrammed || last.Routes[0].Counters == nil {
		return -1
	}
	return last.Routes[0].Counters.Packets
}

// An agent that is asked to end reports what was counted, and forwards until
// then. It does not wait for an API server that is silent.
func TestLastReport(t *testing.T) {
	for _, silent := range []bool{false, true} {
		t.Run(fmt.Sprintf("silent=%v", silent), func(t *testing.T) {
			n := newLab(t)
			s := &apiServer{silent: silent}
			n.start("--kubeconfig", n.serve(s))
			n.await("a report", func() bool { return s.packets() == 0 })

			c := n.receiver.Capture("eth0")
			defer c.Stop()
			p := netlab.Packet{Src: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr("225.1.2.3")}
			const sent = 50
			for range sent {
				n.sender.Send("eth0", p)
			}
			n.await("packets", func() bool { return c.Count(mroute.SG{Source: p.Src, Group: p.Group}) == sent })
			begin := time.Now()
			if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if code := n.end(); code != exitcode.OK {
				t.Errorf("exit code %d", code)
			}
			t.Logf("the end took %v", time.Since(begin))
			if got := s.packets(); got != sent {
				t.Errorf("the last report has %d packets, want %d", got, sent)
			}
			if !silent && strings.Contains(n.log.String(), "cannot be written") {
				t.Error("the last report was not written")
			}
			if k := n.entries(); k != 0 {
				t.Errorf("the kernel has %d entries after the end", k)
			}
		})
	}
}
