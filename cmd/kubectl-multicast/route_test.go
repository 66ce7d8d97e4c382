package main

import (
	"bytes"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// A route that no kernel has is no empty table alone.
func TestTellRoute(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	waiting := camera()
	waiting.Name = "waiting"
	waiting.Status.Conditions = []metav1.Condition{
		{Type: "Accepted", Status: metav1.ConditionTrue},
		{Type: "Programmed", Status: metav1.ConditionFalse, Reason: "InterfaceNotFound", Message: "no interface eth9 on 2 nodes"},
	}
	c := &cluster{Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(camera(), waiting).Build()}
	for _, tt := range []struct{ name, says, err string }{
		{"camera-1", "", ""},
		{"waiting", "# Programmed of waiting is False: InterfaceNotFound: no interface eth9 on 2 nodes\n", ""},
		{"camera-7", "", "there is no MulticastRoute camera-7 in namespace studio"},
	} {
		var out bytes.Buffer
		err := c.tellRoute(t.Context(), "studio", tt.name, &out)
		if out.String() != tt.says {
			t.Errorf("%s: says %q, want %q", tt.name, out.String(), tt.says)
		}
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.err)
		}
	}
}
