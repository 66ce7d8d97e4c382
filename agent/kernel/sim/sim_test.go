package sim

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

func sg(s, g string) mroute.SG {
	v := mroute.SG{Group: netip.MustParseAddr(g)}
	if s != "*" {
		v.Source = netip.MustParseAddr(s)
	}
	return v
}

func TestSmoke(t *testing.T) {
	h := New()
	a, b := h.AddLink("a"), h.AddLink("b")
	k, err := h.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	flow := sg("10.0.0.1", "225.1.1.1")
	if errs := k.Apply([]mroute.Op{
		{Kind: mroute.AddVIF, Family: mroute.IPv4, VIF: 0, Link: mroute.LinkRef{Index: a}},
		{Kind: mroute.AddVIF, Family: mroute.IPv4, VIF: 1, Link: mroute.LinkRef{Index: b}},
	}); errs != nil {
		t.Fatal(errs)
	}
	if out := h.Send("a", flow, 5, h.Now()); out != nil {
		t.Fatal(out)
	}
	if u := h.Upcalls(); !slices.Equal(u, []mroute.Upcall{{Kind: mroute.NoCache, SG: flow, VIF: 0}}) {
		t.Fatal(u)
	}
	k.Apply([]mroute.Op{{Kind: mroute.SetMFC, Family: mroute.IPv4, SG: flow, Entry: mroute.Entry{IIF: 0, OIFs: mroute.OIFs{1: 1}}}})
	if out := h.Send("a", flow, 5, h.Now()); !slices.Equal(out, []string{"b"}) {
		t.Fatal(out)
	}
	if n := h.Departed("b", flow); n != 2 {
		t.Fatal(n)
	}
}
