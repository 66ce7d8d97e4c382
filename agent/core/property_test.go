package core_test

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// The world of the property tests is small on purpose, so that things collide.
var (
	linkNames = []string{"a0", "a1", "a2", "b0", "b1"}
	patterns  = []mroute.IfPattern{
		"a0", "a1", "a2", "b0", "b1", "a+", "b+", "+",
		// Of indexes that the first links have, and later ones may get.
		mroute.Pinned("a0", 2), mroute.Pinned("a1", 3), mroute.Pinned("b0", 4), mroute.Pinned("a0", 5), mroute.Pinned("b1", 6), mroute.Pinned("a2", 7),
	}
	universe = func() (sgs []mroute.SG) {
		for _, s := range []string{"10.0.0.1", "10.0.1.1"} {
			for _, g := range []string{"225.0.0.1", "225.0.0.2", "225.1.0.1"} {
				sgs = append(sgs, mroute.SG{Source: netip.MustParseAddr(s), Group: netip.MustParseAddr(g)})
			}
		}
		for _, g := range []string{"ff04::1", "ff05::1"} {
			sgs = append(sgs, mroute.SG{Source: netip.MustParseAddr("2001:db8::1"), Group: netip.MustParseAddr(g)})
		}
		return sgs
	}()
	flows = func() map[string]mroute.SG {
		named := make(map[string]mroute.SG)
		for _, sg := range universe {
			named[sg.String()] = sg
		}
		return named
	}()
	templates = []string{
		"* 225.0.0.1", "* 225.0.0.0/24", "* 225.0.0.0/8", "10.0.0.0/24 225.0.0.0/24", "10.0.0.1 225.0.0.0/24",
		"10.0.0.0/16 225.0.0.1", "* ff04::1", "* ff00::/8", "2001:db8::/32 ff05::1",
	}
)

func match(s string) mroute.Match {
	src, grp, _ := strings.Cut(s, " ")
	prefix := func(s string) netip.Prefix {
		if p, err := netip.ParsePrefix(s); err == nil {
			return p
		}
		a := netip.MustParseAddr(s)
		return netip.PrefixFrom(a, a.BitLen())
	}
	m := mroute.Match{Group: prefix(grp)}
	if src != "*" {
		m.Source = prefix(src)
	}
	return m
}

func genMatch(t *rapid.T) mroute.Match {
	if rapid.Bool().Draw(t, "exact") {
		return mroute.MatchSG(rapid.SampledFrom(universe).Draw(t, "sg"))
	}
	return match(rapid.SampledFrom(templates).Draw(t, "template"))
}

func genRoute(t *rapid.T) mroute.Route {
	r := mroute.Route{
		From:  rapid.SampledFrom(patterns).Draw(t, "from"),
		Match: genMatch(t),
	}
	for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(patterns), 0, 3, rapid.ID[mroute.IfPattern]).Draw(t, "to") {
		r.To = append(r.To, mroute.Output{If: p, Threshold: rapid.SampledFrom([]mroute.Threshold{0, 0, 3}).Draw(t, "ttl")})
	}
	if !r.Match.IsExact() && rapid.IntRange(0, 4).Draw(t, "except?") == 0 && r.Match.Family() == mroute.IPv4 {
		r.Except = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}
	}
	r.AnySource = rapid.SampledFrom([]mroute.AnySource{mroute.LearnSources, mroute.NativeSources, mroute.PreferNative}).Draw(t, "any source")
	return r
}

func genJoin(t *rapid.T) mroute.Join {
	j := mroute.Join{
		If:    rapid.SampledFrom(patterns).Draw(t, "join if"),
		Match: match(rapid.SampledFrom([]string{"* 225.0.0.1", "* 225.0.0.0/30", "10.0.0.1 232.0.0.1", "* ff05::1"}).Draw(t, "join match")),
	}
	return j
}

func genLayer(t *rapid.T) mroute.Layer {
	l := mroute.Layer{Name: "file", FirstMatch: rapid.Bool().Draw(t, "first match")}
	for seq := range rapid.IntRange(0, 8).Draw(t, "lines") {
		o := mroute.Origin{Ref: "conf", Line: seq + 1, Seq: seq + 1}
		switch rapid.IntRange(0, 5).Draw(t, "line") {
		case 0:
			l.Phyints = append(l.Phyints, mroute.Phyint{
				If:        rapid.SampledFrom(patterns).Draw(t, "phyint"),
				State:     rapid.SampledFrom([]mroute.PhyintState{mroute.PhyintEnabled, mroute.PhyintDisabled}).Draw(t, "state"),
				Threshold: rapid.SampledFrom([]mroute.Threshold{0, 2, 5}).Draw(t, "threshold"),
				Origin:    o,
			})
		case 1:
			j := genJoin(t)
			j.Origin = o
			l.Joins = append(l.Joins, j)
		default:
			r := genRoute(t)
			r.Origin = o
			l.Routes = append(l.Routes, r)
		}
	}
	return l
}

// forwarding is where packets would leave, from every link, for every flow.
func (r *router) forwarding() map[string]string {
	fw := make(map[string]string)
	for _, n := range linkNames {
		for _, sg := range universe {
			if o := r.out(n, sg); o != "-" {
				fw[n+" "+sg.String()] = o
			}
		}
	}
	return fw
}

// expected is where the state says that packets leave.
func (r *router) expected() map[string]string {
	fw := make(map[string]string)
	snap := r.state.Snapshot(r.now, nil)
	for _, e := range slices.Concat(snap.Entries, snap.Foreign) {
		oifs := slices.Clone(e.OIFs)
		if !e.SG.Source.IsValid() {
			oifs = slices.DeleteFunc(oifs, func(n string) bool { return n == e.IIF })
		}
		slices.Sort(oifs)
		if len(oifs) > 0 && e.IIF != "" { // or it is of an input that is gone
			fw[e.IIF+" "+e.SG.String()] = strings.Join(oifs, " ")
		}
	}
	return r.expand(fw)
}

// target is where the state wants packets to leave.
func (r *router) target() map[string]string { return r.expand(r.state.Target()) }

// expand says of every source that has no entry of its own what (*,G) says.
func (r *router) expand(fw map[string]string) map[string]string {
	entries := r.dump()
	for _, n := range linkNames {
		for _, sg := range universe {
			any := n + " " + mroute.SG{Group: sg.Group}.String()
			if _, own := entries[sg]; fw[any] != "" && !own {
				fw[n+" "+sg.String()] = fw[any]
			}
		}
	}
	maps.DeleteFunc(fw, func(k, _ string) bool { return strings.Contains(k, "(*,") })
	return fw
}

func equal(a, b map[string]string) string {
	for k, v := range a {
		if b[k] != v {
			return fmt.Sprintf("%s: %q and %q", k, v, b[k])
		}
	}
	for k, v := range b {
		if a[k] != v {
			return fmt.Sprintf("%s: %q and %q", k, a[k], v)
		}
	}
	return ""
}

// TestI1ReachesTheTarget: after a plan is applied, forwarding equals the target.
func TestI1ReachesTheTarget(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := boundedHistory(rt, "a0", "a1", "b0")
		acts := h.actions()
		acts[""] = func(rt *rapid.T) {
			if d := equal(h.forwarding(), h.expected()); d != "" {
				rt.Fatalf("kernel and state differ: %s\n%v", d, h.host)
			}
			for _, n := range linkNames {
				if !h.has(n) {
					continue
				}
				got := h.host.Memberships(n)
				if !h.complete() { // what the process before has joined may be there, too
					if missing := without(h.state.Held(n), got); len(missing) > 0 {
						rt.Fatalf("memberships on %s: %v, but the state believes %v as well", n, got, missing)
					}
					continue
				}
				if want := h.state.Held(n); !slices.Equal(got, want) {
					rt.Fatalf("memberships on %s: %v, but the state believes %v", n, got, want)
				}
				if want := h.joined(n); !h.later && !slices.Equal(got, want) {
					rt.Fatalf("memberships on %s: %v, want %v", n, got, want)
				}
			}
		}
		rt.Repeat(acts)
	})
}

// without is what of a is not in b.
func without(a, b []mroute.SG) []mroute.SG {
	return slices.DeleteFunc(slices.Clone(a), func(sg mroute.SG) bool { return slices.Contains(b, sg) })
}

func (r *router) joined(link string) (sgs []mroute.SG) {
	for _, g := range r.state.Snapshot(r.now, nil).Joined {
		if g.If == link {
			sg := g.Match.SG()
			if !g.Match.Source.IsValid() {
				sg.Source = netip.Addr{}
			}
			sgs = append(sgs, sg)
		}
	}
	slices.SortFunc(sgs, mroute.SG.Compare)
	return slices.Compact(sgs)
}

// TestI2NothingToDo: the diff of a reached target is empty.
func TestI2NothingToDo(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := boundedHistory(rt, "a0", "a1", "b0")
		layer := h.layer(rt)
		acts := h.actions()
		acts["layer"] = func(rt *rapid.T) { layer = h.layer(rt); h.step(core.SetLayer{Layer: layer}) }
		restart := acts["restart"]
		acts["restart"] = func(rt *rapid.T) { restart(rt); h.step(core.SetLayer{Layer: layer}) }
		h.step(core.SetLayer{Layer: layer})
		acts[""] = func(rt *rapid.T) {
			h.goOn()
			if h.bounded { // those who were refused may find room
				h.now = h.now.Add(5 * time.Second)
				h.step(core.Look{})
			}
			h.takeOps()
			h.step(core.SetLayer{Layer: layer})
			if ops := h.takeOps(); len(ops) > 0 {
				rt.Fatalf("the same again gives\n%s", format(ops))
			}
		}
		rt.Repeat(acts)
	})
}

// TestI3NoStrayPackets: at no step does a flow leave an interface that neither
// the old nor the new target lists.
func TestI3NoStrayPackets(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := boundedHistory(rt, "a0", "a1", "b0")
		// Outputs are told apart by ifindex, since names come and go.
		type hop struct{ in, out int }
		type hops map[string]map[hop]bool
		index := func(name string) int {
			for _, l := range h.host.Links() {
				if l.Name == name {
					return l.Index
				}
			}
			return 0
		}
		look := func() hops {
			fl := make(hops)
			for k, o := range h.forwarding() {
				in, sg, _ := strings.Cut(k, " ")
				if fl[sg] == nil {
					fl[sg] = make(map[hop]bool)
				}
				for _, n := range strings.Fields(o) {
					fl[sg][hop{index(in), index(n)}] = true
				}
			}
			return fl
		}
		before := look()
		h.opened = func() { before = look() } // others may have left something
		var between []hops
		var steps []string
		h.after = func(op mroute.Op) {
			between = append(between, look())
			steps = append(steps, format([]mroute.Op{op}))
		}
		acts := h.actions()
		acts[""] = func(rt *rapid.T) {
			after := look()
			for i, fl := range between {
				for sg, hops := range fl {
					for hp := range hops {
						if !before[sg][hp] && !after[sg][hp] && !h.state.AnySource(flows[sg], hp.in, hp.out) {
							rt.Fatalf("after %s%s goes from %d to %d\n%v", steps[i], sg, hp.in, hp.out, h.host)
						}
					}
				}
			}
			before, between, steps = after, nil, nil
		}
		rt.Repeat(acts)
	})
}

// TestI4NeverDeletedAndAddedAgain: an entry whose IIF lives on is never deleted
// and re-added: counters and packets would be lost.
func TestI4NeverDeletedAndAddedAgain(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := boundedHistory(rt, "a0", "a1", "b0")
		var alive, deleted map[mroute.SG]bool
		going := false
		h.before = func() {
			alive = make(map[mroute.SG]bool)
			for sg, e := range h.dump() {
				alive[sg] = e.IIF != mroute.NoVIF
			}
		}
		h.after = func(op mroute.Op) {
			switch op.Kind {
			case mroute.DelMFC:
				deleted[op.SG] = alive[op.SG]
			case mroute.DelVIF:
				going = true
			case mroute.SetMFC:
				if deleted[op.SG] && !going {
					rt.Fatalf("%v was deleted and added again", op.SG)
				}
			}
		}
		acts := h.actions()
		acts[""] = func(*rapid.T) {
			deleted, going = make(map[mroute.SG]bool), false
		}
		rt.Repeat(acts)
	})
}

// TestI5SameInputsSamePlan: the same events give the same ops, byte for byte.
func TestI5SameInputsSamePlan(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := newRouter(rt, linkNames...), newRouter(rt, linkNames...)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "what") {
			case 0:
				ev := core.SetLayer{Layer: genLayer(rt)}
				a.step(ev)
				b.step(ev)
			case 1:
				ed := mroute.Edit{Kind: mroute.AddRoute, Route: genRoute(rt)}
				_, _ = a.edit(ed), b.edit(ed)
			case 2:
				n, sg := rapid.SampledFrom(linkNames).Draw(rt, "link"), rapid.SampledFrom(universe).Draw(rt, "sg")
				a.send(n, sg)
				b.send(n, sg)
			case 3:
				a.step(core.Expire{})
				b.step(core.Expire{})
			}
			if x, y := format(a.takeOps()), format(b.takeOps()); x != y {
				rt.Fatalf("one router did\n%sand the other\n%s", x, y)
			}
		}
	})
}

// TestI6FailuresStayLocal: a failed op blocks only what depends on it, and what
// failed is made good once it can be.
func TestI6FailuresStayLocal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := history{newRouter(rt, linkNames...), rt}
		victim := rapid.SampledFrom(universe).Draw(rt, "victim")
		failing := true
		h.host.Fail(func(op mroute.Op) error {
			if failing && (op.Kind == mroute.SetMFC || op.Kind == mroute.DelMFC) && op.SG == victim {
				return errors.New("no")
			}
			return nil
		})
		acts := h.actions()
		acts[""] = func(rt *rapid.T) {
			got, want, entries := h.forwarding(), h.target(), h.dump()
			for _, fw := range []map[string]string{got, want} {
				maps.DeleteFunc(fw, func(k, _ string) bool {
					_, sg, _ := strings.Cut(k, " ")
					_, own := entries[flows[sg]]
					return flows[sg] == victim || flows[sg].Group == victim.Group && !own && h.state.Blocked(victim.Group)
				})
			}
			if d := equal(got, want); d != "" {
				rt.Fatalf("%s, though only %v fails\n%v", d, victim, h.host)
			}
		}
		rt.Repeat(acts)
		failing = false
		h.step(core.Retry{})
		if d := equal(h.forwarding(), h.target()); d != "" {
			rt.Fatalf("not made good: %s\n%v", d, h.host)
		}
	})
}

// TestI7HistoryDoesNotMatter: any sequence of events, then quiet, reaches the
// state of the last inputs alone.
func TestI7HistoryDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := history{newRouter(rt, "a0", "a1", "b0"), rt}
		rt.Repeat(h.actions())
		// The last inputs: a layer, and the links there are. What others have left
		// counts unless it goes.
		layer := genLayer(rt)
		h.reincarnate(rt, rapid.Bool().Draw(rt, "garbage"), core.Options{RemoveForeign: true})
		h.step(core.SetLayer{Layer: layer, DropEdits: true})
		h.step(core.Complete{})
		h.goOn()
		h.step(core.Expire{}) // notes
		h.now = h.now.Add(time.Hour)
		h.step(core.Expire{}) // forgets the flows

		fresh := newRouter(rt)
		for _, l := range h.host.Links() {
			if l.Name != "lo" {
				fresh.host.Insert(mroute.Link{Index: l.Index, Name: l.Name, Up: true, Multicast: l.Multicast})
			}
		}
		fresh.readLinks()
		fresh.step(core.SetLayer{Layer: layer})
		if d := equal(h.forwarding(), fresh.forwarding()); d != "" {
			rt.Fatalf("old and new router differ: %s\nold %v\nnew %v", d, h.host, fresh.host)
		}
		for _, n := range linkNames {
			if h.has(n) && !slices.Equal(h.host.Memberships(n), fresh.host.Memberships(n)) {
				rt.Fatalf("memberships on %s: old %v, new %v", n, h.host.Memberships(n), fresh.host.Memberships(n))
			}
		}
	})
}

// TestI8StableVIFs: a link's VIF index never changes while the link lives and
// is wanted.
func TestI8StableVIFs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := boundedHistory(rt, "a0", "a1", "b0")
		before := make(map[int]mroute.VIF)
		acts := h.actions()
		delete(acts, "reborn link")                                                      // another link, though it has the same index
		acts["restart"] = func(rt *rapid.T) { h.reincarnate(rt, false, core.Options{}) } // no second number for a link
		acts[""] = func(rt *rapid.T) {
			now := make(map[int]mroute.VIF)
			for _, l := range h.state.Snapshot(h.now, nil).Links {
				if l.VIF == mroute.NoVIF {
					continue
				}
				now[l.Index] = l.VIF
				if was, ok := before[l.Index]; ok && was != l.VIF {
					rt.Fatalf("VIF of link %d was %d and is %d", l.Index, was, l.VIF)
				}
			}
			before = now
		}
		rt.Repeat(acts)
	})
}
