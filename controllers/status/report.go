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

// Report tells what a node made of the objects that select it, given the states
// of the routers that they are in. The ledger is brought up to date. The
// report's NextReportTime is left to whoever sends it.
//
// It has one state an object. What keeps the object from being in the kernel is,
// in this order: that it was rejected, that a router does not work, what
// translate had to leave out, or what the router waits for.
func Report(objects []translate.Object, routers map[translate.Router]mroute.RouterState, ledger *Ledger, o Options) v1alpha1.MulticastNodeStateStatus {
	ledger.Count(objects, routers)
	s := v1alpha1.MulticastNodeStateStatus{
		ReportTime:   metav1.NewTime(seconds(o.Now)),
		AgentVersion: o.AgentVersion,
		Summary: v1alpha1.NodeSummary{
			Routes: int32(len(objects)),
			VIFs:   busiest(routers),
			Flows:  entries(routers),
		},
	}
	waiting := newWaiting(routers, o.Pods)
	var flows map[string][]v1alpha1.Flow
	if o.Flows {
		flows = flowsOf(routers)
	}
	for i := range objects {
		obj := &objects[i]
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
		state.Counters = ledger.Counters(obj)
		state.Flows = flows[obj.Ref()]
		s.Routes = append(s.Routes, state)
	}
	fit(&s, maxReport)
	return s
}

// seconds is t as the API has times.
func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// busiest is how many interfaces the table with most of them uses.
func busiest(routers map[translate.Router]mroute.RouterState) int32 {
	var most int32
	for _, r := range routers {
		if r.Snapshot == nil {
			continue
		}
		var vifs, mifs int32
		for i := range r.Snapshot.Links {
			if r.Snapshot.Links[i].VIF != mroute.NoVIF {
				vifs++
			}
			if r.Snapshot.Links[i].MIF != mroute.NoVIF {
				mifs++
			}
		}
		most = max(most, vifs, mifs)
	}
	return most
}

// entries is how many entries all tables have.
func entries(routers map[translate.Router]mroute.RouterState) int64 {
	var n int64
	for _, r := range routers {
		if r.Snapshot != nil {
			n += int64(len(r.Snapshot.Entries))
		}
	}
	return n
}
