package translate_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// crowd is a node of a hundred pods in namespace team, and some routes there of
// which each spec is the given one: the first is the oldest.
func crowd(routes int, spec func(i int) v1alpha1.MulticastRouteSpec) translate.Input {
	in := translate.Input{HostNamespaces: []string{"kube-smcroute"}, PodNetworkNamespaces: true}
	for i := range 100 {
		ip := netip.AddrFrom4([4]byte{10, 1, 0, byte(i)})
		in.Pods = append(in.Pods, translate.Pod{
			Namespace: "team", Name: fmt.Sprintf("p%d", i), UID: fmt.Sprintf("u%d", i), IPs: []netip.Addr{ip},
			Labels: map[string]string{"first": fmt.Sprint(i == 0)},
			Links:  map[netip.Addr]translate.Link{ip: {Name: fmt.Sprintf("cali%d", i), Index: 10 + i}},
		})
	}
	for i := range routes {
		in.Routes = append(in.Routes, v1alpha1.MulticastRoute{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "team", Name: fmt.Sprintf("r%02d", i), CreationTimestamp: metav1.NewTime(time.Unix(int64(i), 0)),
			},
			Spec: spec(i),
		})
	}
	return in
}

func groups(prefix string, n int) (out []v1alpha1.Address) {
	for i := range n {
		out = append(out, v1alpha1.Address(fmt.Sprintf(prefix, i)))
	}
	return out
}

// A namespace that may not name the node's interfaces can't use up what all share.
func TestQuota(t *testing.T) {
	all := &metav1.LabelSelector{}
	fromPods := func(groups []v1alpha1.Address, join bool) v1alpha1.MulticastRouteSpec {
		return v1alpha1.MulticastRouteSpec{
			From: v1alpha1.RouteInput{Pods: all}, Groups: groups, To: []v1alpha1.RouteOutput{{Pods: all}}, Join: join,
		}
	}
	for _, tt := range []struct {
		name     string
		in       translate.Input
		accepted int
		why      string
	}{
		{"rules", crowd(10, func(i int) v1alpha1.MulticastRouteSpec {
			return fromPods(groups(fmt.Sprintf("225.1.%d.%%d", i), 100), false)
		}), 6, "65536 pairs of source and group on this node"},
		{"joins", crowd(4, func(i int) v1alpha1.MulticastRouteSpec {
			return fromPods([]v1alpha1.Address{v1alpha1.Address(fmt.Sprintf("225.1.%d.0/26", i))}, true)
		}), 2, "16384 joins on this node"},
		{"tables in pods", crowd(20, func(i int) v1alpha1.MulticastRouteSpec {
			return v1alpha1.MulticastRouteSpec{
				NetworkNamespace: v1alpha1.NetworkNamespace{Type: v1alpha1.PodNamespace, PodSelector: all},
				Table:            int32(i / 2), // two routes each
				From:             v1alpha1.RouteInput{Interface: "net1"}, Groups: groups("225.1.1.%d", 1), To: []v1alpha1.RouteOutput{{Interface: "net2"}},
			}
		}), 16, "8 tables in one pod"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			check := func(accepted int) {
				t.Helper()
				r := translate.Translate(tt.in)
				for i, o := range r.Objects {
					rejected := o.Rejection != nil
					if rejected != (i >= accepted) {
						t.Errorf("%s: %+v", o.Name, o.Rejection)
					}
					if rejected && (o.Rejection.Reason != v1alpha1.ReasonLimitExceeded || !strings.Contains(o.Rejection.Message, tt.why)) {
						t.Errorf("%s: %+v", o.Name, o.Rejection)
					}
				}
				if n := origins(r.Layers); n != accepted {
					t.Errorf("%d objects are in layers, want %d", n, accepted)
				}
			}
			check(tt.accepted)
			tt.in.HostNamespaces = []string{"team"}
			check(len(tt.in.Routes))
		})
	}
}

// origins is how many objects are in layers.
func origins(layers map[translate.Router]mroute.Layer) int {
	refs := map[string]bool{}
	for _, l := range layers {
		for r := range l.AllRoutes() {
			refs[r.Origin.Ref] = true
		}
	}
	return len(refs)
}
