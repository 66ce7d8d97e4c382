package node

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

func TestNames(t *testing.T) {
	four, six, other, host := netip.MustParseAddr("10.1.0.4"), netip.MustParseAddr("fd00::4"), netip.MustParseAddr("10.1.0.5"), netip.MustParseAddr("192.0.2.1")
	inside := mroute.Place{NetNS: "/proc/7/ns/net", ID: "4:7", Table: 3}
	got := newNames(
		map[translate.Router]location{
			{Table: 0}:                 {place: mroute.Place{}},
			{PodUID: "b", Table: 3}:    {place: inside},
			{PodUID: "gone", Table: 3}: {missing: ErrPodNamespace},
		},
		[]translate.Pod{
			{Namespace: "studio", Name: "a", UID: "a", IPs: []netip.Addr{four, six}, Links: map[netip.Addr]translate.Link{four: {Name: "cali4"}, six: {Name: "cali4"}}},
			{Namespace: "studio", Name: "b", UID: "b", IPs: []netip.Addr{other}},
			{Namespace: "kube-system", Name: "proxy", UID: "c", HostNetwork: true, IPs: []netip.Addr{host}},
		},
		map[string]string{"b": "studio/b"},
	)
	want := Names{
		Links:   map[string][]string{"cali4": {"studio/a"}},
		Addrs:   map[netip.Addr]string{four: "studio/a", six: "studio/a", other: "studio/b"},
		Routers: map[mroute.Place]string{inside: "studio/b"},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
