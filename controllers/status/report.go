package status

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// Options are the circumstances of a report.
type Options struct {
	Now          time.Time
	AgentVersion string
	Flows        bool              // whether routes have some of their flows
	Pods         map[string]string // "namespace/name" of pods by UID, for messages; may be nil
}

// Report makes a report of the objects that select a node in one go, of routers whose
// snapshots have their entries. See [Round.Report].
func Report(objects []translate.Object, routers map[translate.Router]mroute.RouterState, ledger *Ledger, o Options) v1alpha1.MulticastNodeStateStatus {
	r := NewRound(objects, ledger, o)
	for router, s := range routers {
		if s.Snapshot != nil {
			r.Add(router, s.Snapshot.Time, s.Snapshot.Entries)
		}
	}
	return r.Report(routers)
}

// Report tells what the node made of the objects, given the states of the routers that
// they are in, when all entries were added. The report's NextReportTime is left to
// whoever sends it.
//
// It has one state an object. What keeps the object from being in the kernel is,
// in this order: that it was rejected, that a router does not work, what
// translate had to leave out, or what the router waits for.
func (r *Round) Report(routers map[translate.Router]mroute.RouterState) v1alpha1.MulticastNodeStateStatus {
	r.settle(routers)
	s := v1alpha1.MulticastNodeStateStatus{
		ReportTime:   metav1.NewTime(seconds(r.o.Now)),
		AgentVersion: r.o.AgentVersion,
		Summary: v1alpha1.NodeSummary{
			Routes: int32(len(r.objects)),
			VIFs:   busiest(routers),
			Flows:  int64(r.entries),
		},
	}
	waiting := newWaiting(routers, r.o.Pods)
	for i := range r.objects {
		obj := &r.objects[i]
		state := v1alpha1.ObjectState{
			Namespace:  obj.Namespace,
			Name:       obj.Name,
			UID:        obj.UID,
			Generation: obj.Generation,
		}
		state.Reason, state.Message = waiting.of(obj)
		state.Message = shorten(state.Message, maxMessage)
		if state.Reason != v1alpha1.ReasonProgrammed {
			s.Summary.Failed++
		}
		if obj.Kind == translate.GroupKind {
			s.Groups = append(s.Groups, state)
			continue
		}
		state.Counters = r.ledger.Counters(obj)
		state.Flows = flowsOf(r.busiest[obj.Ref()])
		s.Routes = append(s.Routes, state)
	}
	fit(&s, maxReport)
	return s
}

// seconds is t as the API has times.
func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// busiest is how many interfaces the table with most of them uses.
func busiest(routers map[translate.Router]mroute.RouterState) int32 {
	var most int
	for _, r := range routers {
		if r.Snapshot != nil {
			most = max(most, r.Snapshot.VIFs)
		}
	}
	return int32(most)
}
