package plan_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// model answers as Resolver.Entry does, by looking at every rule and link each
// time. It shares no code with it.
type model struct {
	layers []mroute.Layer // by name
	links  []mroute.Link  // by index
	vifs   map[int]mroute.VIF
	fed    func(mroute.Route) // told of each rule that is united; may be nil
	native func(netip.Addr) (mroute.Entry, bool)
}

// names reports whether a pattern names the link, and the link may have a VIF.
func (m model) names(p mroute.IfPattern, l mroute.Link) bool {
	s := string(p)
	if !l.Multicast {
		return false
	}
	if strings.HasSuffix(s, "+") {
		return strings.HasPrefix(l.Name, strings.TrimSuffix(s, "+"))
	}
	if name, index, pinned := strings.Cut(s, "/"); pinned {
		return name == l.Name && index == fmt.Sprint(l.Index)
	}
	s, _, _ = strings.Cut(s, ":")
	return s == l.Name
}

// counts reports whether what a layer says of the link at seq is not undone by
// a phyint line behind it.
func (m model) counts(layer mroute.Layer, seq int, l mroute.Link) bool {
	for _, p := range layer.Phyints {
		if p.State == mroute.PhyintDisabled && m.names(p.If, l) && p.Origin.Seq >= seq {
			return false
		}
	}
	return true
}

func (m model) on(layer mroute.Layer, r mroute.Route, sg mroute.SG, l mroute.Link) bool {
	if !m.names(r.From, l) || !m.counts(layer, r.Origin.Seq, l) || !r.Match.Contains(sg) {
		return false
	}
	for _, e := range r.Except {
		if e.Contains(sg.Source) {
			return false
		}
	}
	if r.Scopes.Set {
		return sg.Group.Is6() && r.Scopes.Bits&(1<<(sg.Group.As16()[1]&15)) != 0
	}
	return true
}

func (m model) threshold(layer mroute.Layer, o mroute.Output, sg mroute.SG, l mroute.Link) mroute.Threshold {
	if sg.Group.Is6() {
		return 1
	}
	th := mroute.Threshold(1)
	for _, layer := range m.layers {
		for _, p := range layer.Phyints {
			if p.Threshold > 0 && m.names(p.If, l) {
				th = p.Threshold
			}
		}
	}
	if o.Threshold > 0 {
		th = o.Threshold
	}
	return th
}

// outputs adds the outputs of one rule.
func (m model) outputs(oifs *mroute.OIFs, layer mroute.Layer, r mroute.Route, sg mroute.SG, in mroute.Link) {
	for _, o := range r.To {
		for _, l := range m.links {
			n, ok := m.vifs[l.Index]
			wildOrPinned := strings.ContainsAny(string(o.If), "+/")
			if !ok || !m.names(o.If, l) || !m.counts(layer, r.Origin.Seq, l) || wildOrPinned && l.Index == in.Index {
				continue
			}
			if th := m.threshold(layer, o, sg, l); oifs[n] == 0 || th < oifs[n] {
				oifs[n] = th
			}
		}
	}
}

// origins are those of rules, sorted.
func (m model) origins(rules []*mroute.Route) (os []string) {
	for _, r := range rules {
		os = append(os, r.Origin.String())
	}
	slices.Sort(os)
	return os
}

// feeding are the origins of the rules that decide about sg on the link.
func (m model) feeding(sg mroute.SG, in mroute.Link) []string {
	var rules []*mroute.Route
	m.fed = func(r mroute.Route) { rules = append(rules, &r) }
	if _, ok := m.exact(sg, in); !ok {
		m.template(sg, in)
	}
	return m.origins(rules)
}

// unite is the outputs of the rules for which take is true.
func (m model) unite(sg mroute.SG, in mroute.Link, take func(mroute.Layer, mroute.Route) bool) (o mroute.OIFs, any bool) {
	for _, layer := range m.layers {
		for _, r := range layer.Routes {
			if take(layer, r) && m.on(layer, r, sg, in) {
				any = true
				if m.fed != nil {
					m.fed(r)
				}
				m.outputs(&o, layer, r, sg, in)
			}
		}
	}
	return o, any
}

func (m model) exact(sg mroute.SG, in mroute.Link) (mroute.OIFs, bool) {
	return m.unite(sg, in, func(_ mroute.Layer, r mroute.Route) bool { return r.Match.IsExact() })
}

func sameMatch(a, b mroute.Match) bool {
	same := func(a, b netip.Prefix) bool {
		return a.IsValid() == b.IsValid() && (!a.IsValid() || a.Masked() == b.Masked())
	}
	return same(a.Source, b.Source) && same(a.Group, b.Group)
}

func (m model) template(sg mroute.SG, in mroute.Link) (mroute.OIFs, bool) {
	return m.unite(sg, in, func(layer mroute.Layer, r mroute.Route) bool {
		if r.Match.IsExact() {
			return false
		}
		if !layer.FirstMatch {
			return true
		}
		for _, first := range layer.Routes {
			if !first.Match.IsExact() && m.on(layer, first, sg, in) {
				return sameMatch(first.Match, r.Match)
			}
		}
		return false
	})
}

func (m model) Entry(sg mroute.SG, arrival int) (mroute.Entry, bool) {
	vif, known := m.vifs[arrival]
	if known {
		in := m.links[slices.IndexFunc(m.links, func(l mroute.Link) bool { return l.Index == arrival })]
		if o, ok := m.exact(sg, in); ok {
			return mroute.Entry{IIF: vif, OIFs: o, Kind: mroute.Static}, true
		}
		if o, ok := m.template(sg, in); ok {
			return mroute.Entry{IIF: vif, OIFs: o, Kind: mroute.Learned}, true
		}
	}
	var from *mroute.Link // of the last exact rule
	for _, layer := range m.layers {
		for _, r := range layer.Routes {
			if !r.Match.IsExact() {
				continue
			}
			for i, l := range m.links {
				if _, ok := m.vifs[l.Index]; ok && m.on(layer, r, sg, l) {
					from = &m.links[i]
					break
				}
			}
		}
	}
	if from != nil {
		o, _ := m.exact(sg, *from)
		return mroute.Entry{IIF: m.vifs[from.Index], OIFs: o, Kind: mroute.Static}, true
	}
	if e, ok := m.native(sg.Group); ok && known {
		e.OIFs[e.IIF], e.Kind = 0, mroute.Learned
		return e, true
	}
	return mroute.Entry{IIF: vif, Kind: mroute.StopFilter}, known
}

// The world of the model is small, so that rules, links and flows meet.
var (
	modelLinks    = []string{"lo", "a0", "a1", "b0", "b1", "c0"}
	modelPatterns = []mroute.IfPattern{"a0", "a1", "b0", "b1", "c0", "a+", "b+", "+", "a0:1", "gone", "a0/4", "a0/99", "b1/13"}
	modelMatches  = []string{
		"10.0.0.1 225.0.0.1", "10.0.1.1 225.0.0.1", "10.0.0.1 225.0.0.2", // exact
		"* 225.0.0.1", "* 225.0.0.0/24", "* 225.0.0.9/24", "* 225.0.0.0/8", "10.0.0.0/24 225.0.0.0/24",
		"10.0.0.7/24 225.0.0.0/24", "10.0.0.1 225.0.0.0/24", "10.0.0.0/16 225.0.0.1",
		"2001:db8::1 ff04::1", "* ff04::1", "* ff00::/8", "2001:db8::/32 ff00::/8", "* ::/0",
	}
	modelFlows = func() (sgs []mroute.SG) {
		for _, s := range []string{
			"10.0.0.1 225.0.0.1", "10.0.1.1 225.0.0.1", "10.0.0.1 225.0.0.2", "10.9.0.1 225.1.0.1",
			"2001:db8::1 ff04::1", "2001:db8::1 ff05::1", "2001::9 ff0e::1",
		} {
			sgs = append(sgs, match(s).SG())
		}
		return sgs
	}()
)

func match(s string) mroute.Match {
	src, grp, _ := strings.Cut(s, " ")
	m := mroute.Match{Group: prefix(grp)}
	if src != "*" {
		m.Source = prefix(src)
	}
	return m
}

func prefix(s string) netip.Prefix {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p
	}
	a := netip.MustParseAddr(s)
	return netip.PrefixFrom(a, a.BitLen())
}

func drawModel(t *rapid.T) model {
	m := model{vifs: make(map[int]mroute.VIF)}
	numbers := rapid.Permutation([]mroute.VIF{0, 1, 2, 5, 30, 31}).Draw(t, "VIFs")
	for i, name := range modelLinks {
		l := mroute.Link{Index: 3*i + 1, Name: name, Up: true, Multicast: rapid.IntRange(0, 5).Draw(t, name+" multicast") > 0}
		m.links = append(m.links, l)
		if l.Multicast && rapid.IntRange(0, 5).Draw(t, name+" VIF") > 0 {
			m.vifs[l.Index] = numbers[i]
		}
	}
	for _, name := range []string{"client2", "file", "kubernetes"}[:rapid.IntRange(1, 3).Draw(t, "layers")] {
		m.layers = append(m.layers, drawLayer(t, name))
	}
	return m
}

func drawLayer(t *rapid.T, name string) mroute.Layer {
	l := mroute.Layer{Name: name, FirstMatch: rapid.Bool().Draw(t, "first match")}
	pattern := rapid.SampledFrom(modelPatterns)
	for seq := range rapid.IntRange(0, 10).Draw(t, "lines") {
		origin := mroute.Origin{Ref: name, Line: seq + 1, Seq: seq + 1}
		if rapid.IntRange(0, 4).Draw(t, "phyint?") == 0 {
			l.Phyints = append(l.Phyints, mroute.Phyint{
				If:        pattern.Draw(t, "phyint"),
				State:     rapid.SampledFrom([]mroute.PhyintState{mroute.PhyintEnabled, mroute.PhyintDisabled}).Draw(t, "state"),
				Threshold: rapid.SampledFrom([]mroute.Threshold{0, 2, 9}).Draw(t, "threshold"),
				Origin:    origin,
			})
			continue
		}
		r := mroute.Route{
			From:      pattern.Draw(t, "from"),
			Match:     match(rapid.SampledFrom(modelMatches).Draw(t, "match")),
			AnySource: rapid.SampledFrom([]mroute.AnySource{mroute.LearnSources, mroute.NativeSources, mroute.PreferNative}).Draw(t, "any source"),
			Origin:    origin,
		}
		if r.Match.Group.Bits() == 0 {
			r.Scopes = mroute.ScopeMask{Set: true, Bits: rapid.SampledFrom([]uint16{0xfff0, 0xffe0, 0x0010, 0}).Draw(t, "mask")}
		}
		if !r.Match.IsExact() && rapid.IntRange(0, 3).Draw(t, "except?") == 0 {
			r.Except = []netip.Prefix{prefix(rapid.SampledFrom([]string{"10.0.0.0/24", "10.9.0.1", "2001:db8::/64"}).Draw(t, "except"))}
		}
		for range rapid.IntRange(0, 3).Draw(t, "outputs") {
			r.To = append(r.To, mroute.Output{
				If:        pattern.Draw(t, "to"),
				Threshold: rapid.SampledFrom([]mroute.Threshold{0, 0, 1, 5}).Draw(t, "ttl"),
			})
		}
		l.Routes = append(l.Routes, r)
	}
	return l
}

func (m model) resolver() (*plan.Intent, *plan.Resolver, *plan.VIFs) {
	in := plan.NewIntent()
	for _, l := range slices.Backward(m.layers) { // whatever the order
		in.SetLayer(l)
	}
	return in, plan.NewResolver(in, m.links), m.table()
}

func (m model) table() *plan.VIFs {
	v := &plan.VIFs{}
	for ifindex, n := range m.vifs {
		v.Set(n, ifindex)
	}
	return v
}

func (m model) String() string {
	var b strings.Builder
	for _, l := range m.links {
		fmt.Fprintf(&b, "%v vif %v\n", l, m.vifs[l.Index])
	}
	for _, l := range m.layers {
		fmt.Fprintf(&b, "layer %s, first match %v\n", l.Name, l.FirstMatch)
		lines := make(map[int]string)
		for _, p := range l.Phyints {
			lines[p.Origin.Seq] = fmt.Sprintf("phyint %s disabled=%d threshold %d", p.If, p.State, p.Threshold)
		}
		for _, r := range l.Routes {
			lines[r.Origin.Seq] = fmt.Sprintf("mroute from %s %v%v except %v any source %v to %v", r.From, r.Match, r.Scopes, r.Except, r.AnySource, r.To)
		}
		for seq := range len(lines) {
			fmt.Fprintf(&b, "%3d %s\n", seq+1, lines[seq+1])
		}
	}
	return b.String()
}

// TestEntryAgreesWithAModel compares Entry and Covers with plain loops over all
// rules and links.
func TestEntryAgreesWithAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		_, res, vifs := m.resolver()
		m.native = func(group netip.Addr) (mroute.Entry, bool) { return res.Entry(mroute.SG{Group: group}, 0, vifs) }
		for _, sg := range modelFlows {
			for _, l := range append([]mroute.Link{{}, {Index: 99}}, m.links...) {
				got, ok := res.Entry(sg, l.Index, vifs)
				want, wok := m.Entry(sg, l.Index)
				if got != want && (ok || wok) || ok != wok {
					t.Fatalf("%v arriving on link %d: %+v, %v; the model says %+v, %v\n%v", sg, l.Index, got, ok, want, wok, m)
				}
				if _, ok := vifs.Of(l.Index); !ok {
					continue // no upcall comes from there
				}
				_, exact := m.exact(sg, l)
				_, template := m.template(sg, l)
				if got, want := m.origins(res.Feeding(nil, sg, l.Index)), m.feeding(sg, l); !slices.Equal(got, want) {
					t.Fatalf("%v on link %d is fed by %v, the model says %v\n%v", sg, l.Index, got, want, m)
				}
				if got := res.Covers(sg, l.Index, vifs); got != (exact || template) {
					t.Fatalf("%v on link %d covered: %v\n%v", sg, l.Index, got, m)
				}
			}
		}
	})
}
