package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

func TestReasons(t *testing.T) {
	causes := []mroute.Cause{
		mroute.CauseNoInterface, mroute.CauseNotMulticast, mroute.CauseVIFTableFull, mroute.CauseTableInUse,
		mroute.CauseNotSupported, mroute.CausePermission, mroute.CauseKernel, mroute.CauseFlowLimit, mroute.CauseDiverted,
	}
	seen := map[string]bool{}
	for _, c := range causes {
		r := reasonOf(c)
		if r == v1alpha1.ReasonPending || seen[r] {
			t.Errorf("cause %d is %s", c, r)
		}
		seen[r] = true
	}
	if r := reasonOf(mroute.CauseKernel + 1); r != v1alpha1.ReasonPending {
		t.Errorf("there is a cause more, %s, which reasonOf must know", r)
	}
	if rank("SomethingNew") >= rank(v1alpha1.ReasonNodeNotReporting) || rank("SomethingNew") <= rank(v1alpha1.ReasonPodNotReachable) {
		t.Error("a reason of a newer agent is not where it should be")
	}
}

func TestReport(t *testing.T) {
	pod := translate.Router{PodUID: "p1", Table: 7}
	snap := func(pending ...mroute.PendingView) mroute.RouterState {
		return mroute.RouterState{Snapshot: &mroute.Snapshot{Time: start, Pending: pending}}
	}
	ref := "MulticastRoute ns/a"
	pending := func(ref string, c mroute.Cause, reason string) mroute.PendingView {
		return mroute.PendingView{Origin: mroute.Origin{Ref: ref}, Cause: c, Reason: reason}
	}
	for _, tt := range []struct {
		name            string
		object          func(*translate.Object)
		routers         map[translate.Router]mroute.RouterState
		reason, message string
	}{
		{name: "programmed", routers: map[translate.Router]mroute.RouterState{host: snap()}, reason: "Programmed"},
		{name: "nothing to do", object: func(o *translate.Object) { o.Routers = nil },
			reason: "Programmed", message: "no pod that it selects runs on this node"},
		{name: "somebody else waits", routers: map[translate.Router]mroute.RouterState{
			host: snap(pending("MulticastRoute ns/b", mroute.CauseNoInterface, "no interface eth9"), pending("/etc/smcroute.conf", mroute.CauseKernel, "x")),
		}, reason: "Programmed"},
		{name: "waits for an interface", routers: map[translate.Router]mroute.RouterState{
			host: snap(pending(ref, mroute.CauseNoInterface, "no interface eth1")),
		}, reason: "InterfaceNotFound", message: "no interface eth1"},
		{name: "a wildcard without a match is as it should be", routers: map[translate.Router]mroute.RouterState{
			host: snap(pending(ref, mroute.CauseNoMatch, "no interface matches eth+")),
		}, reason: "Programmed"},
		{name: "the most telling of what it waits for", routers: map[translate.Router]mroute.RouterState{
			host: snap(pending(ref, mroute.CauseNoInterface, "no interface eth1"), pending(ref, mroute.CauseVIFTableFull, "all 32 VIFs are taken"), pending(ref, mroute.CauseNoInterface, "no interface eth2")),
		}, reason: "VIFTableFull", message: "all 32 VIFs are taken"},
		{name: "a problem beats what it waits for", object: func(o *translate.Object) {
			o.Problems = []translate.Rejection{{Reason: v1alpha1.ReasonPodNotReachable, Message: "pod ns/x is far"}}
		}, routers: map[translate.Router]mroute.RouterState{host: snap(pending(ref, mroute.CauseNoInterface, "no interface eth1"))},
			reason: "PodNotReachable", message: "pod ns/x is far"},
		{name: "a router that does not work beats a problem", object: func(o *translate.Object) {
			o.Problems = []translate.Rejection{{Reason: v1alpha1.ReasonPodNotReachable, Message: "pod ns/x is far"}}
		}, routers: map[translate.Router]mroute.RouterState{host: {Err: errors.New("another program has it"), Cause: mroute.CauseTableInUse}},
			reason: "TableInUse", message: "table 0: another program has it"},
		{name: "a rejection beats all", object: func(o *translate.Object) {
			o.Rejection = &translate.Rejection{Reason: v1alpha1.ReasonConflicted, Message: "older"}
		}, routers: map[translate.Router]mroute.RouterState{host: {Err: errors.New("busy"), Cause: mroute.CauseTableInUse}},
			reason: "Conflicted", message: "older"},
		{name: "a router that starts", routers: map[translate.Router]mroute.RouterState{host: {Err: errors.New("it is starting")}},
			reason: "Pending", message: "table 0: it is starting"},
		{name: "a router that nobody knows", routers: nil, reason: "Pending", message: "table 0 is not set up yet"},
		{name: "inside a pod", object: func(o *translate.Object) { o.Routers = []translate.Router{host, pod} },
			routers: map[translate.Router]mroute.RouterState{host: snap(), pod: snap(pending(ref, mroute.CauseNotMulticast, "interface net1 is not multicast capable"))},
			reason:  "NotMulticastCapable", message: "in pod ns/router: interface net1 is not multicast capable"},
		{name: "no such pod", object: func(o *translate.Object) { o.Routers = []translate.Router{{PodUID: "p2"}} },
			routers: map[translate.Router]mroute.RouterState{{PodUID: "p2"}: {Err: errors.New("no sandbox"), Cause: mroute.CauseKernel}},
			reason:  "KernelError", message: "in the pod with UID p2: table 0: no sandbox"},
	} {
		o := route("a")
		if tt.object != nil {
			tt.object(&o)
		}
		s := Report([]translate.Object{o}, tt.routers, &Ledger{}, Options{Now: start, Pods: map[string]string{"p1": "ns/router"}})
		want := v1alpha1.ObjectState{Namespace: "ns", Name: "a", UID: "uid-a", Generation: 1, Reason: tt.reason, Message: tt.message, Counters: &v1alpha1.Counters{}}
		if diff := cmp.Diff([]v1alpha1.ObjectState{want}, s.Routes); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if failed := s.Summary.Failed == 1; failed != (tt.reason != "Programmed") {
			t.Errorf("%s: %d failed", tt.name, s.Summary.Failed)
		}
	}
}

func TestReportOfNode(t *testing.T) {
	group := translate.Object{Kind: translate.GroupKind, Namespace: "ns", Name: "a", Routers: []translate.Router{host}}
	var entries []mroute.EntryView
	for i := range 20 {
		entries = append(entries, entry(i, uint64(i*i), time.Minute, "a"))
	}
	routers := at(0, entries...)
	routers[host].Snapshot.VIFs = 3
	routers[translate.Router{Table: 7}] = mroute.RouterState{Snapshot: &mroute.Snapshot{Time: start, VIFs: 2}}
	o := Options{Now: start.Add(time.Millisecond), AgentVersion: "1.2", Flows: true}
	s := Report([]translate.Object{route("a"), group}, routers, &Ledger{}, o)
	if diff := cmp.Diff(v1alpha1.NodeSummary{Routes: 2, VIFs: 3, Flows: 20}, s.Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if !s.ReportTime.Time.Equal(start) || s.AgentVersion != "1.2" || len(s.Groups) != 1 || s.Groups[0].Counters != nil {
		t.Errorf("%+v", s)
	}
	flows := s.Routes[0].Flows
	if len(flows) != maxFlows {
		t.Fatalf("%d flows", len(flows))
	}
	for i, f := range flows {
		if n := 19 - i; f.Packets != int64(n*n) || f.Source != sg(n).Source.String() {
			t.Errorf("flow %d: %+v", i, f)
		}
	}
	// Of a group that is forwarded natively all sources are one flow.
	all := entry(0, 5, time.Minute, "a")
	all.SG.Source = netip.Addr{}
	if f := Report([]translate.Object{route("a")}, at(0, all), &Ledger{}, o).Routes[0].Flows; len(f) != 1 || f[0].Source != "*" || f[0].Packets != 5 {
		t.Errorf("flows of a native group: %+v", f)
	}
	o.Flows = false
	if s := Report([]translate.Object{route("a")}, routers, &Ledger{}, o); s.Routes[0].Flows != nil {
		t.Error("flows, though nobody asked for them")
	}
}

// TestSize: a report fits into etcd, however much there is to say, and what is
// missed most is left out last.
func TestSize(t *testing.T) {
	build := func(n int, message string) v1alpha1.MulticastNodeStateStatus {
		objects := make([]translate.Object, n)
		for i := range objects {
			objects[i] = route(fmt.Sprintf("a-route-with-a-long-name-%06d", i))
			objects[i].UID = fmt.Sprintf("00000000-0000-0000-0000-%012d", i)
			objects[i].Rejection = &translate.Rejection{Reason: v1alpha1.ReasonHostInterfacesNotPermitted, Message: message}
		}
		var entries []mroute.EntryView
		for i := range 20 {
			e := entry(i, 1e15, time.Minute)
			for j := range objects {
				e.Origins = append(e.Origins, mroute.Origin{Ref: objects[j].Ref()})
			}
			entries = append(entries, e)
		}
		return Report(objects, at(0, entries...), &Ledger{}, Options{Now: start, Flows: true})
	}
	size := func(s v1alpha1.MulticastNodeStateStatus) int {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return len(text)
	}
	for _, tt := range []struct {
		objects                           int
		message                           string
		all, flows, long, times, counters bool // whether the last object has them
	}{
		{100, strings.Repeat("long ", 200), true, true, true, true, true},
		{1000, strings.Repeat("long ", 200), true, false, true, true, true},
		{2500, strings.Repeat("long ", 200), true, false, false, true, true},
		{5000, "", true, false, false, false, false},
		{8000, strings.Repeat("long ", 200), false, false, false, false, false},
	} {
		s := build(tt.objects, tt.message)
		if n := size(s); n > maxReport {
			t.Errorf("%d objects: %d bytes", tt.objects, n)
		}
		if (len(s.Routes) == tt.objects) != tt.all {
			t.Errorf("%d objects: %d are in the report", tt.objects, len(s.Routes))
		}
		if int(s.Summary.Routes) != tt.objects || int(s.Summary.Failed) != tt.objects {
			t.Errorf("%d objects: summary %+v", tt.objects, s.Summary)
		}
		last := s.Routes[len(s.Routes)-1]
		if got := last.Flows != nil; got != tt.flows {
			t.Errorf("%d objects: the last has flows: %v", tt.objects, got)
		}
		if got := len(last.Message) > shortMessage; got != tt.long {
			t.Errorf("%d objects: the last has a message of %d bytes", tt.objects, len(last.Message))
		}
		if got := last.Counters != nil && last.Counters.LastUpdateTime != nil; got != tt.times {
			t.Errorf("%d objects: the last has a time: %v", tt.objects, got)
		}
		if got := last.Counters != nil; got != tt.counters {
			t.Errorf("%d objects: the last has counters: %v", tt.objects, got)
		}
		if first := s.Routes[0]; tt.all && first.Counters == nil {
			t.Errorf("%d objects: the first has no counters", tt.objects)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{
		{"", 5, ""},
		{"12345", 5, "12345"},
		{"123456", 5, "12..."},
		{"1ö3456", 5, "1..."},
		{"\xff", 5, "\uFFFD"},
	} {
		if got := shorten(tt.in, tt.n); got != tt.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", tt.in, tt.n, got, tt.want)
		}
	}
}
