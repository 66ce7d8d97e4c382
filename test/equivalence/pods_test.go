package equivalence

import (
	"fmt"
	"net/netip"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// pods are two behind the bridge cni0 and one behind a veth of its own, on the
// links of w.
func pods(w world) []translate.Pod {
	var ps []translate.Pod
	for i, name := range []string{"cni0", "cni0", "cali2"} {
		for _, l := range w {
			if l.Name == name {
				ip := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
				ps = append(ps, translate.Pod{
					Namespace: "tv", Name: fmt.Sprint(i), UID: fmt.Sprint(i),
					IPs: []netip.Addr{ip}, Links: map[netip.Addr]translate.Link{ip: {Name: l.Name, Index: l.Index}},
				})
			}
		}
	}
	return ps
}

func toPods(from v1alpha1.RouteInput) translate.Input {
	r := v1alpha1.MulticastRoute{ObjectMeta: metav1.ObjectMeta{Namespace: "tv", Name: "r"}}
	r.Spec.From = from
	r.Spec.Groups = []v1alpha1.Address{"225.1.1.1"}
	r.Spec.To = []v1alpha1.RouteOutput{{Pods: &metav1.LabelSelector{}}}
	return translate.Input{Routes: []v1alpha1.MulticastRoute{r}, HostNamespaces: []string{"*"}}
}

// Whatever the input is called, nothing goes back to the bridge that it came
// from: its pods have it already.
func TestNothingGoesBackToTheBridge(t *testing.T) {
	w := newWorld("eth0 cni0 cali2")
	for _, tt := range []struct {
		from v1alpha1.RouteInput
		on   map[string]string // link -> entry for a flow of the first pod
	}{
		{v1alpha1.RouteInput{Interface: "+"}, map[string]string{
			"eth0": "learned eth0 -> cali2 cni0", "cni0": "learned cni0 -> cali2", "cali2": "learned cali2 -> cni0",
		}},
		{v1alpha1.RouteInput{Interface: "cni0"}, map[string]string{"cni0": "learned cni0 -> cali2"}},
		{v1alpha1.RouteInput{Pods: &metav1.LabelSelector{}}, map[string]string{"cni0": "static cni0 -> cali2"}},
	} {
		in := toPods(tt.from)
		in.Pods = pods(w)
		p := w.plan(layerOf(t, translate.Translate(in)))
		for _, l := range w {
			want, ok := tt.on[l.Name]
			if got := p.entry(flowsOf(t, "10.0.0.0 225.1.1.1")[0], l.Index); ok && got != want {
				t.Errorf("from %+v, on %s: %s, want %s", tt.from, l.Name, got, want)
			}
		}
	}
}

// A link that was deleted and made again with the name is another one: the pod's
// packets do not go there.
func TestAnotherLinkOfThatName(t *testing.T) {
	w := newWorld("eth0 cni0 cali2")
	in := toPods(v1alpha1.RouteInput{Interface: "eth0"})
	in.Pods = pods(w)
	l := layerOf(t, translate.Translate(in))
	w[2].Index = 99
	if got, want := w.plan(l).entry(flowsOf(t, "10.0.0.9 225.1.1.1")[0], 1), "learned eth0 -> cni0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
