package translate_test

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// An exact rule counts for the templates that cover it, even if they add no
// output; of very many for some. No output is lost.
func TestTemplatesOfAnExactRule(t *testing.T) {
	route := func(i int, to v1alpha1.Interface, sources ...v1alpha1.Address) v1alpha1.MulticastRoute {
		r := v1alpha1.MulticastRoute{ObjectMeta: metav1.ObjectMeta{
			Namespace: "a", Name: fmt.Sprint(i), CreationTimestamp: metav1.NewTime(time.Unix(int64(i), 0)),
		}}
		r.Spec.From.Interface = "eth0"
		r.Spec.Sources = sources
		r.Spec.Groups = []v1alpha1.Address{"225.1.1.1"}
		r.Spec.To = []v1alpha1.RouteOutput{{Interface: to}}
		return r
	}
	for _, tt := range []struct{ templates, want int }{{1, 1}, {2, 2}, {100, 33}} {
		in := translate.Input{HostNamespaces: []string{"*"}, Routes: []v1alpha1.MulticastRoute{route(0, "eth1", "10.0.0.1")}}
		last := v1alpha1.Interface("eth1")
		for i := range tt.templates {
			if i == 99 {
				last = "eth2"
			}
			in.Routes = append(in.Routes, route(1+i, last))
		}
		var rows []mroute.Route
		for _, r := range inOne(translate.Translate(in)).Layers[translate.Router{}].Routes[1+tt.templates:] {
			if !r.Match.IsExact() || r.From != "eth0" {
				t.Errorf("%v", r)
			}
			rows = append(rows, r)
		}
		if len(rows) != tt.want {
			t.Fatalf("%d templates: %d rows of the exact rule, want %d", tt.templates, len(rows), tt.want)
		}
		if got := rows[len(rows)-1].To[0].If; got != mroute.IfPattern(last) {
			t.Errorf("%d templates: the last output is %s, want %s", tt.templates, got, last)
		}
	}
}
