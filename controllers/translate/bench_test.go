package translate_test

import (
	"fmt"
	"net/netip"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// BenchmarkTranslate has a node of 500 pods in one namespace and 1,000 routes,
// a quarter each: exact between interfaces, templates that cover some of these,
// to pods, from and to pods.
func BenchmarkTranslate(b *testing.B) {
	in := translate.Input{HostNamespaces: []string{"*"}}
	for i := range 500 {
		ip := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		in.Pods = append(in.Pods, translate.Pod{
			Namespace: "tv", Name: fmt.Sprintf("p%d", i), UID: fmt.Sprintf("u%d", i),
			Labels: map[string]string{"app": fmt.Sprintf("a%d", i%25), "tier": "all"},
			IPs:    []netip.Addr{ip},
			Links:  map[netip.Addr]translate.Link{ip: {Name: fmt.Sprintf("cali%d", i), Index: 100 + i}},
		})
	}
	for i := range 1000 {
		r := v1alpha1.MulticastRoute{ObjectMeta: metav1.ObjectMeta{Namespace: "tv", Name: fmt.Sprintf("r%d", i)}}
		r.Spec.From.Interface = "eth0"
		r.Spec.Groups = []v1alpha1.Address{v1alpha1.Address(fmt.Sprintf("225.1.%d.%d", i>>8, i&255))}
		r.Spec.To = []v1alpha1.RouteOutput{{Interface: "eth1"}, {Interface: "eth2"}}
		app := &metav1.LabelSelector{MatchLabels: map[string]string{"app": fmt.Sprintf("a%d", i%25)}}
		switch i % 4 {
		case 0:
			r.Spec.Sources = []v1alpha1.Address{"10.0.0.1", "10.0.0.2"}
		case 1:
			r.Spec.Groups = append(r.Spec.Groups, v1alpha1.Address(fmt.Sprintf("225.1.%d.%d", i>>8, (i-1)&255)))
		case 2:
			r.Spec.To = append(r.Spec.To, v1alpha1.RouteOutput{Pods: app})
		case 3:
			r.Spec.From = v1alpha1.RouteInput{Pods: app}
			r.Spec.To = []v1alpha1.RouteOutput{{Pods: &metav1.LabelSelector{
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{"a1", "a2"}}},
			}}}
		}
		in.Routes = append(in.Routes, r)
	}
	b.ReportAllocs()
	for b.Loop() {
		translate.Translate(in)
	}
}
