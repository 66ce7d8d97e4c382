package summary

import (
	"net/http"
	"unique"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// NewScheme returns the scheme of the controller: what it reads and writes, no
// more.
func NewScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	metav1.AddToGroupVersion(s, schema.GroupVersion{Version: "v1"})
	s.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Node{}, &corev1.NodeList{})
	metav1.AddToGroupVersion(s, corev1.SchemeGroupVersion)
	_ = v1alpha1.AddToScheme(s) // which does not fail
	return s
}

// NewMapper is a manager's MapperProvider. What is there is known: the API server
// is not asked for its resources.
func NewMapper(*rest.Config, *http.Client) (meta.RESTMapper, error) {
	m := meta.NewDefaultRESTMapper(nil)
	m.Add(corev1.SchemeGroupVersion.WithKind("Node"), meta.RESTScopeRoot)
	m.Add(v1alpha1.GroupVersion.WithKind("MulticastRoute"), meta.RESTScopeNamespace)
	m.Add(v1alpha1.GroupVersion.WithKind("MulticastGroup"), meta.RESTScopeNamespace)
	m.Add(v1alpha1.GroupVersion.WithKind("MulticastNodeState"), meta.RESTScopeRoot)
	return m, nil
}

// CacheOptions are those of the cache of the controller's manager: without what
// does not count here, and with strings kept once which 1,000 nodes report of
// each object. What the cache returns is shared and must not be changed.
func CacheOptions() cache.Options {
	slim := func(f func(any) (any, error)) cache.ByObject {
		return cache.ByObject{Transform: f, UnsafeDisableDeepCopy: ptr.To(true)}
	}
	return cache.Options{
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Node{}:                 slim(slimNode),
			&v1alpha1.MulticastRoute{}:     slim(slimObject),
			&v1alpha1.MulticastGroup{}:     slim(slimObject),
			&v1alpha1.MulticastNodeState{}: slim(slimReport),
		},
	}
}

// slimObject keeps all but the record of who wrote which field.
func slimObject(in any) (any, error) {
	if o, ok := in.(client.Object); ok {
		o.SetManagedFields(nil)
	}
	return in, nil
}

// slimNode keeps the name, the labels and what is known of whether the node is
// ready.
func slimNode(in any) (any, error) {
	n, ok := in.(*corev1.Node)
	if !ok {
		return in, nil
	}
	slim := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: n.Name, UID: n.UID, ResourceVersion: n.ResourceVersion, Labels: n.Labels,
	}}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			slim.Status.Conditions = []corev1.NodeCondition{{Type: c.Type, Status: c.Status}}
		}
	}
	return slim, nil
}

// slimReport keeps what a summary is made from.
func slimReport(in any) (any, error) {
	r, ok := in.(*v1alpha1.MulticastNodeState)
	if !ok {
		return in, nil
	}
	slim := &v1alpha1.MulticastNodeState{
		ObjectMeta: metav1.ObjectMeta{Name: r.Name, UID: r.UID, ResourceVersion: r.ResourceVersion},
		Status: v1alpha1.MulticastNodeStateStatus{
			ReportTime: r.Status.ReportTime, NextReportTime: r.Status.NextReportTime,
			Routes: slimStates(r.Status.Routes), Groups: slimStates(r.Status.Groups),
		},
	}
	return slim, nil
}

func slimStates(states []v1alpha1.ObjectState) []v1alpha1.ObjectState {
	out := make([]v1alpha1.ObjectState, len(states))
	for i := range states {
		s := &states[i]
		out[i] = v1alpha1.ObjectState{
			Namespace: one(s.Namespace), Name: one(s.Name), UID: one(s.UID),
			Generation: s.Generation, Reason: one(s.Reason), Message: one(s.Message),
			Counters: s.Counters,
		}
	}
	return out
}

// one is the string that stands for all that are the same.
func one(s string) string { return unique.Make(s).Value() }
