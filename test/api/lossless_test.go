package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// rate is that of each flow of a show, in packets a second.
const rate = 2000

// show is three flows at once that must not lose a packet: of a known source, of
// one that was learned, and of IPv6.
type show struct {
	s       *site
	h       *host
	flows   []mroute.SG
	at      *netlab.Capture
	streams []*netlab.Stream
	before  []int // packets of the flows that were forwarded before the streams
	leaves  *netlab.Leaves
	free    []mroute.SG // may be left
}

// programme are the routes of a show, from eth0 to eth1.
func programme() string {
	const rest = `from: {interface: eth0}, to: [{interface: eth1}], `
	return route("known", rest+`join: true, sources: [192.0.2.10], groups: [232.1.1.1]`) +
		route("learned", rest+`groups: [239.1.2.0/24]`) +
		route("known6", rest+`join: true, sources: ["2001:db8::10"], groups: ["ff3e::1"]`)
}

// startShow begins one, with flows that nobody else sends.
func (s *site) startShow(h *host) *show {
	s.t.Helper()
	s.apply(programme())
	for _, name := range []string{"known", "learned", "known6"} {
		s.awaitProgrammed(name, int32(len(s.hosts)))
	}
	w := &show{s: s, h: h, at: h.atLeft, flows: []mroute.SG{
		flow("192.0.2.10", "232.1.1.1"), flow("192.0.2.77", "239.1.2.3"), flow("2001:db8::10", "ff3e::1"),
	}}
	for _, sg := range w.flows {
		h.passes(sg, w.at)
	}
	// What waited while the flow was learned comes before what is counted.
	h.exact(w.flows[1], w.at, 1)
	for _, sg := range w.flows {
		w.before = append(w.before, w.at.Count(sg))
	}
	w.at.Reset()
	w.leaves = h.sender.Leaves("eth0")
	for _, sg := range w.flows {
		w.streams = append(w.streams, h.sender.Stream(s.t.Context(), "eth0", packet(sg), rate))
	}
	w.goesOn()
	return w
}

// goesOn waits until packets arrive that are sent from now on.
func (w *show) goesOn() {
	w.awaitPacket(func(s *netlab.Stream) uint64 { return s.Sent() + 1 })
}

func (w *show) awaitPacket(which func(*netlab.Stream) uint64) {
	for i, sg := range w.flows {
		n := which(w.streams[i])
		if !netlab.Poll(patience, func() bool { return w.at.Has(sg, n) }) {
			w.h.Fatalf("packet %d of %v does not arrive on %v: %v\n%s", n, sg, w.h, w.at, w.h.agent.Log.String())
		}
	}
}

// end ends the streams, and returns for each flow what is missing.
func (w *show) end() (missing []string) {
	var sent []uint64
	for _, s := range w.streams {
		n, err := s.Stop()
		if err != nil {
			w.h.Fatalf("%v", err)
		}
		sent = append(sent, n)
	}
	i := -1
	w.awaitPacket(func(*netlab.Stream) uint64 { i++; return sent[i] - 1 })
	netlab.Flush(w.s.t, 2, patience) // one may have overtaken another
	for i, sg := range w.flows {
		f := w.at.Flow(netlab.In, sg)
		if gaps := f.Gaps(sent[i]); len(gaps) > 0 || f.Duplicates > 0 {
			missing = append(missing, fmt.Sprintf("%v: of %d packets %d came twice, missing are %v", sg, sent[i], f.Duplicates, gaps))
		}
	}
	if n := w.at.Dropped(); n > 0 {
		w.h.Fatalf("the capture lost %d packets", n)
	}
	return missing
}

// lostNothing ends the streams: not a packet is missing, as many are counted in
// the status of the routes, and no group was left.
func (w *show) lostNothing() {
	w.s.t.Helper()
	for _, l := range w.leaves.Seen() {
		if !slices.ContainsFunc(w.free, func(sg mroute.SG) bool { return strings.HasSuffix(l, " "+sg.Group.String()) }) {
			w.s.t.Errorf("a group was left: %s", l)
		}
	}
	for _, m := range w.end() {
		w.s.t.Error(m)
	}
	for i, name := range []string{"known", "", "known6"} {
		if name == "" {
			continue // which counts what is sent while it is learned
		}
		sent, _ := w.streams[i].Stop()
		w.counted(name, w.before[i]+int(sent))
	}
}

// counted waits until exactly n packets of a route are counted in its status.
func (w *show) counted(name string, n int) {
	w.s.t.Helper()
	w.s.awaitPackets(name, n)
}

// auditor sees to it that what a node reports never counts back.
type auditor struct {
	t    *testing.T
	stop func() []string // returns complaints
}

// audit begins to watch the node's reports.
func (s *site) audit(h *host) *auditor {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	w, err := s.lab.Client.Watch(ctx, &v1alpha1.MulticastNodeStateList{},
		&client.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", h.Name)})
	if err != nil {
		s.t.Fatal(err)
	}
	var complaints []string
	seen := map[string]int64{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for e := range w.ResultChan() {
			state, ok := e.Object.(*v1alpha1.MulticastNodeState)
			if !ok {
				continue
			}
			for _, r := range state.Status.Routes {
				if r.Counters == nil {
					continue
				}
				if r.Counters.Packets < seen[r.UID] {
					complaints = append(complaints, fmt.Sprintf("%s: %d packets after %d, at %v", r.Name, r.Counters.Packets, seen[r.UID], state.Status.ReportTime.Format(time.TimeOnly)))
				}
				seen[r.UID] = r.Counters.Packets
			}
		}
	})
	stop := func() []string {
		w.Stop()
		cancel()
		wg.Wait()
		return complaints
	}
	s.t.Cleanup(func() { _ = stop() })
	return &auditor{s.t, stop}
}

// countsForward ends the watch.
func (a *auditor) countsForward() {
	a.t.Helper()
	for _, c := range a.stop() {
		a.t.Errorf("the node's report counts back: %s", c)
	}
}
