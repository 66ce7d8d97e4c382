package translate_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// FuzzWords puts any words where a user writes them. What comes through can be
// in a kernel table, and is of a size.
func FuzzWords(f *testing.F) {
	for _, s := range [][4]string{
		{"eth0", "eth1", "10.0.0.1", "225.1.1.1"},
		{"eth+", "+", "10.0.0.0/24", "232.0.0.0/8"},
		{"eth0/3", "..", "0.0.0.0/0", "224.0.0.0/3"},
		{"", "e th", "::ffff:10.0.0.1", "ff0e::1%eth0"},
		{"sixteen-letters-", "+eth", "2001:db8::/64", "ff0e::/112"},
		{"eth0", "eth0", "10.0.0.1/08", "::/0"},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	f.Fuzz(func(t *testing.T, from, to, source, group string) {
		in := translate.Input{HostNamespaces: []string{"*"}, Routes: make([]v1alpha1.MulticastRoute, 1), Groups: make([]v1alpha1.MulticastGroup, 1)}
		r, g := &in.Routes[0].Spec, &in.Groups[0].Spec
		r.From.Interface = v1alpha1.Interface(from)
		r.To = []v1alpha1.RouteOutput{{Interface: v1alpha1.Interface(to)}}
		r.Sources = []v1alpha1.Address{v1alpha1.Address(source)}
		r.Groups = []v1alpha1.Address{v1alpha1.Address(group), "225.1.1.1"}
		r.Join = true
		g.Interface, g.Sources, g.Groups = v1alpha1.Interface(from), r.Sources, r.Groups
		l := translate.Translate(in).Layers[translate.Router{}]
		for row := range l.AllRoutes() {
			checkMatch(t, row.Match)
			checkName(t, row.From)
			for _, o := range row.To {
				checkName(t, o.If)
			}
		}
		n := 0
		for j := range l.AllJoins() {
			checkMatch(t, j.Match)
			checkName(t, j.If)
			n += size(j.Match.Group) * size(j.Match.Source)
		}
		if n > 2*translate.MaxJoins {
			t.Errorf("%d joins", n)
		}
	})
}

func checkMatch(t *testing.T, m mroute.Match) {
	all := m.Family().Multicast()
	if !m.Group.IsValid() || !all.Contains(m.Group.Addr()) || m.Group.Bits() < all.Bits() {
		t.Errorf("%v: group is not multicast", m)
	}
	if m.Source.IsValid() && (mroute.FamilyOf(m.Source.Addr()) != m.Family() || m.Source.Bits() == 0 || m.Source.Addr().IsMulticast()) {
		t.Errorf("%v: no such source", m)
	}
}

func checkName(t *testing.T, p mroute.IfPattern) {
	if p == "" || len(p) > 15 || strings.ContainsAny(string(p), "/: \t\n") {
		t.Errorf("interface %q", p)
	}
}

func size(p netip.Prefix) int {
	if !p.IsValid() {
		return 1
	}
	return 1 << (p.Addr().BitLen() - p.Bits())
}
