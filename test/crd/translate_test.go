package crd

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// What the API server accepts is nothing that an agent calls invalid.
func TestAgentAcceptsValid(t *testing.T) {
	cases, err := Valid()
	if err != nil {
		t.Fatal(err)
	}
	v := newValidator(t)
	for _, c := range cases {
		t.Run(c.Name(), func(t *testing.T) {
			obj := c.Object.DeepCopy()
			v.Default(obj)
			in := translate.Input{
				Node:                 &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"site": "studio"}}},
				HostNamespaces:       []string{"*"},
				PodNetworkNamespaces: true,
			}
			switch obj.GetKind() {
			case "MulticastRoute":
				in.Routes = []v1alpha1.MulticastRoute{typed[v1alpha1.MulticastRoute](t, obj)}
			case "MulticastGroup":
				in.Groups = []v1alpha1.MulticastGroup{typed[v1alpha1.MulticastGroup](t, obj)}
			default:
				t.Fatalf("an object of kind %s", obj.GetKind())
			}
			result := translate.Translate(in)
			if len(result.Objects) != 1 {
				t.Fatalf("%d objects came of it", len(result.Objects))
			}
			if r := result.Objects[0].Rejection; r != nil {
				t.Errorf("rejected: %s: %s", r.Reason, r.Message)
			}
		})
	}
}

func typed[T any](t *testing.T, obj *unstructured.Unstructured) T {
	t.Helper()
	var v T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(obj.Object, &v, true); err != nil {
		t.Fatal(err)
	}
	return v
}
