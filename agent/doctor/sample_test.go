package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
	"github.com/smcroute/kube-smcroute/agent/view"
)

func netOf(s string) view.Net { return view.NetOf(netip.MustParseAddr(s)) }

// crowd is a router with many rules, each for a flow, one for many groups, and flows
// that it learned of that one.
func crowd(rules, pending, learned int) *view.State {
	s := &view.State{Time: time.Unix(1, 0)}
	for i := range rules {
		source, group := netOf(fmt.Sprintf("10.0.%d.%d", i>>8, i&255)), netOf(fmt.Sprintf("239.0.%d.%d", i>>9, i>>1&255))
		if i%7 == 0 {
			source = view.Net{}
		}
		s.Rules = append(s.Rules, view.Rule{Source: source, Group: group, IIF: "in", OIFs: []string{"out"}, Origin: view.Origin{Ref: "a.conf", Line: i + 1}})
		s.Flows = append(s.Flows, view.Flow{Source: source, Group: group, Kind: view.Static, IIF: "in", OIFs: []string{"out"}, Traffic: view.Traffic{Packets: uint64(i)}})
	}
	if rules > 0 { // far behind, of the first flow's group
		late := view.Flow{Source: netOf("10.8.0.1"), Group: netOf("239.0.0.0"), Kind: view.Static, IIF: "late", OIFs: []string{"gone"}}
		s.Rules = append(s.Rules, view.Rule{Source: late.Source, Group: late.Group, IIF: late.IIF, OIFs: late.OIFs, Origin: view.Origin{Ref: "c.conf", Line: 1}})
		s.Flows = append(s.Flows, late)
	}
	for i := range pending {
		s.Pending = append(s.Pending, view.Pending{Kind: "mroute", Group: netOf(fmt.Sprintf("239.3.%d.%d", i>>8, i&255)), IIF: "in", OIFs: []string{"gone"}, Cause: "no_interface", Reason: "no interface gone"})
	}
	wide := view.Net{Prefix: netip.MustParsePrefix("239.9.0.0/16")}
	s.Rules = slices.Insert(s.Rules, min(10, len(s.Rules)), view.Rule{Group: wide, IIF: "in", OIFs: []string{"out"}, Origin: view.Origin{Ref: "b.conf", Line: 1}})
	for i := range learned {
		s.Flows = append(s.Flows, view.Flow{Source: netOf("10.9.0.1"), Group: netOf(fmt.Sprintf("239.9.%d.%d", i>>8, i&255)), Kind: view.Learned, IIF: "in", OIFs: []string{"out"}})
	}
	s.Sizes = &view.Sizes{Rules: len(s.Rules), Flows: len(s.Flows)}
	return s
}

// What is examined of a router is found in a sample as it is in all there is.
func TestSample(t *testing.T) {
	for _, tt := range []struct {
		name                    string
		rules, pending, learned int
		group                   string
		most                    int // rules in the sample
	}{
		{"few", 10, 3, 5, "", 12},
		{"as many as are examined", diagnose.MaxFlows - 2, 0, 5, "", diagnose.MaxFlows},
		{"many", 5000, 10, 500, "", 2 * diagnose.MaxFlows},
		{"many that are pending", 3000, 4000, 500, "", 2 * diagnose.MaxFlows},
		{"one group", 5000, 10, 500, "239.0.0.7", 4},
		{"a group of the wide rule", 5000, 10, 500, "239.9.0.7", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			facts := func() *diagnose.Facts {
				f := &diagnose.Facts{
					Before: crowd(tt.rules, tt.pending, tt.learned), After: crowd(tt.rules, tt.pending, tt.learned),
					Links:   []diagnose.Link{{Name: "in", Up: true, Carrier: true, Multicast: true}, {Name: "out", Up: true, Carrier: true, Multicast: true}},
					Sysctls: map[string]string{},
				}
				for i := range f.After.Flows {
					f.After.Flows[i].Packets += uint64(i % 3)
					f.After.Flows[i].WrongIf += uint64(i % 2)
				}
				if tt.group != "" {
					f.Group = netip.MustParseAddr(tt.group)
				}
				return f
			}
			all, some := facts(), facts()
			want := diagnose.Diagnose(all)
			s := newSampler(&Options{Group: some.Group})
			for _, of := range []**view.State{&some.Before, &some.After} {
				s.visit = (*of).Survey
				var err error
				if *of, some.Left, err = s.state(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if tt.group != "" {
				some.Left = 0 // others were not asked for
			}
			if diff := cmp.Diff(want, diagnose.Diagnose(some), cmp.Comparer(func(a, b view.Net) bool { return a == b })); diff != "" {
				t.Error(diff)
			}
			if n := len(some.After.Rules); n > tt.most {
				t.Errorf("%d rules are kept, want %d at most", n, tt.most)
			}
		})
	}
}

// Of very many learned flows the same part is kept each time.
func TestSampleOfLearned(t *testing.T) {
	all := crowd(10, 0, 50_000)
	s := newSampler(&Options{Visit: all.Survey})
	first, _, err := s.state(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all.Flows = slices.Concat(all.Flows[30_000:], all.Flows[:30_000])
	second, _, err := s.state(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := len(second.Flows)
	if n < maxLearned/2 || n > 2*maxLearned || s.past != len(all.Flows)-n {
		t.Errorf("%d flows are kept and %d not, want about %d of %d", n, s.past, maxLearned, len(all.Flows))
	}
	flows := func(s *view.State) map[[2]view.Net]bool {
		m := map[[2]view.Net]bool{}
		for _, f := range s.Flows {
			m[[2]view.Net{f.Source, f.Group}] = true
		}
		return m
	}
	a, b := flows(first), flows(second)
	for f := range a {
		if !b[f] {
			t.Fatalf("%v is kept the first time alone", f)
		}
	}
	if len(a) != len(b) {
		t.Errorf("%d flows are kept, and then %d", len(a), len(b))
	}
}
