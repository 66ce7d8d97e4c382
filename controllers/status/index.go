package status

import (
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// Object names a route or a group.
type Object struct {
	Kind            translate.Kind
	Namespace, Name string
}

// Change is what a new report says that the one before did not.
type Change uint8

// The changes, the lesser first.
const (
	CountersChanged Change = iota + 1 // nothing but counters
	StateChanged
)

// Index has the last reports of all nodes, by object. It keeps the reports that
// it was given, which must not be changed any more. The zero Index is empty.
type Index struct {
	nodes   map[string]*v1alpha1.MulticastNodeState
	due     map[string]time.Time                        // before when a node's next report should come; zero: none is promised
	objects map[Object]map[string]*v1alpha1.ObjectState // by node
}

// Set takes the report of a node and returns what changed. A report that was
// made after another of that node is taken for one of this moment, so that it is
// no matter if the node's clock is wrong.
func (x *Index) Set(report *v1alpha1.MulticastNodeState, now time.Time) map[Object]Change {
	if x.nodes == nil {
		x.nodes = map[string]*v1alpha1.MulticastNodeState{}
		x.due = map[string]time.Time{}
		x.objects = map[Object]map[string]*v1alpha1.ObjectState{}
	}
	node := report.Name
	before := x.nodes[node]
	x.nodes[node] = report
	wasLate := before != nil && x.Late(node, now)
	switch s := &report.Status; {
	case before == nil || s.NextReportTime.IsZero():
		x.due[node] = s.NextReportTime.Time
	case !s.ReportTime.Equal(&before.Status.ReportTime) || !s.NextReportTime.Equal(&before.Status.NextReportTime):
		x.due[node] = now.Add(s.NextReportTime.Sub(s.ReportTime.Time))
	}
	changes := map[Object]Change{}
	revived := before != nil && wasLate != x.Late(node, now)
	for o, state := range states(report) {
		byNode := x.objects[o]
		if byNode == nil {
			byNode = map[string]*v1alpha1.ObjectState{}
			x.objects[o] = byNode
		}
		switch was := byNode[node]; {
		case was == nil || revived || !sameState(was, state):
			changes[o] = StateChanged
		case !apiequality.Semantic.DeepEqual(was.Counters, state.Counters):
			changes[o] = CountersChanged
		}
		byNode[node] = state
	}
	if before != nil {
		x.forget(before, changes)
	}
	return changes
}

// Has reports whether there is a report of a node.
func (x *Index) Has(node string) bool { return x.nodes[node] != nil }

// Len is how many nodes there are reports of.
func (x *Index) Len() int { return len(x.nodes) }

// Remove forgets the report of a node and returns what changed.
func (x *Index) Remove(node string) map[Object]Change {
	changes := map[Object]Change{}
	if before := x.nodes[node]; before != nil {
		delete(x.nodes, node)
		delete(x.due, node)
		x.forget(before, changes)
	}
	return changes
}

// forget removes those states of a report that no later one took the place of.
func (x *Index) forget(report *v1alpha1.MulticastNodeState, changes map[Object]Change) {
	for o, state := range states(report) {
		if x.objects[o][report.Name] != state {
			continue
		}
		delete(x.objects[o], report.Name)
		if len(x.objects[o]) == 0 {
			delete(x.objects, o)
		}
		changes[o] = StateChanged
	}
}

// states are all of a report.
func states(report *v1alpha1.MulticastNodeState) func(yield func(Object, *v1alpha1.ObjectState) bool) {
	return func(yield func(Object, *v1alpha1.ObjectState) bool) {
		for i := range report.Status.Routes {
			s := &report.Status.Routes[i]
			if !yield(Object{translate.RouteKind, s.Namespace, s.Name}, s) {
				return
			}
		}
		for i := range report.Status.Groups {
			s := &report.Status.Groups[i]
			if !yield(Object{translate.GroupKind, s.Namespace, s.Name}, s) {
				return
			}
		}
	}
}

// sameState reports whether a and b differ in counters at most.
func sameState(a, b *v1alpha1.ObjectState) bool {
	return a.UID == b.UID && a.Generation == b.Generation && a.Reason == b.Reason && a.Message == b.Message
}

// Late reports whether the next report of a node should have come. It is never
// late if none is promised.
func (x *Index) Late(node string, now time.Time) bool {
	next := x.due[node]
	return !next.IsZero() && !now.Before(next)
}
