package status

import (
	apiequality "k8s.io/apimachinery/pkg/api/equality"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// Compare says what report b says that a did not, but for when they were made;
// 0 is nothing. What comes and goes with packets, as flows and the interfaces
// in use, passes for counters.
func Compare(a, b *v1alpha1.MulticastNodeStateStatus) Change {
	if a.AgentVersion != b.AgentVersion || !sameStates(a.Routes, b.Routes) || !sameStates(a.Groups, b.Groups) {
		return StateChanged
	}
	if a.Summary != b.Summary || !sameCounters(a.Routes, b.Routes) {
		return CountersChanged
	}
	return 0
}

func sameStates(a, b []v1alpha1.ObjectState) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Namespace != b[i].Namespace || a[i].Name != b[i].Name || !sameState(&a[i], &b[i]) {
			return false
		}
	}
	return true
}

func sameCounters(a, b []v1alpha1.ObjectState) bool {
	for i := range a {
		if !apiequality.Semantic.DeepEqual(a[i].Counters, b[i].Counters) || !apiequality.Semantic.DeepEqual(a[i].Flows, b[i].Flows) {
			return false
		}
	}
	return true
}
