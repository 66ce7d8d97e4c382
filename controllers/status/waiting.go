package status

import (
	"fmt"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// noPod is the message of an object that is programmed since it comes to nothing.
// It may be meant so, or a label may be mistyped.
const noPod = "no pod that it selects runs on this node"

// waiting knows what the objects of a node wait for.
type waiting struct {
	routers map[translate.Router]mroute.RouterState
	rules   map[translate.Router]map[string]trouble // by Ref of the object
	pods    map[string]string
}

// trouble is the most telling of what an object waits for in a router.
type trouble struct {
	reason, message string
}

func newWaiting(routers map[translate.Router]mroute.RouterState, pods map[string]string) *waiting {
	w := &waiting{routers: routers, pods: pods, rules: make(map[translate.Router]map[string]trouble, len(routers))}
	for at, r := range routers {
		if r.Snapshot == nil || len(r.Snapshot.Pending) == 0 {
			continue
		}
		rules := map[string]trouble{}
		for i := range r.Snapshot.Pending {
			p := &r.Snapshot.Pending[i]
			if p.Cause == mroute.CauseNoMatch {
				continue // "eth+" stands for the interfaces there are, if any
			}
			t, ok := rules[p.Origin.Ref]
			if reason := reasonOf(p.Cause); !ok || rank(reason) < rank(t.reason) {
				rules[p.Origin.Ref] = trouble{reason, p.Reason}
			}
		}
		w.rules[at] = rules
	}
	return w
}

// of returns why an object is not in the kernel, or that it is.
func (w *waiting) of(o *translate.Object) (reason, message string) {
	if o.Rejection != nil {
		return o.Rejection.Reason, o.Rejection.Message
	}
	worst := trouble{reason: v1alpha1.ReasonProgrammed}
	for _, at := range o.Routers {
		if t := w.router(at); rank(t.reason) < rank(worst.reason) {
			worst = t
		}
	}
	if rank(worst.reason) < rank(v1alpha1.ReasonPending) {
		return worst.reason, worst.message
	}
	if len(o.Problems) > 0 {
		return o.Problems[0].Reason, o.Problems[0].Message
	}
	for _, at := range o.Routers {
		if t, ok := w.rules[at][o.Ref()]; ok && rank(t.reason) < rank(worst.reason) {
			worst = trouble{t.reason, w.where(at) + t.message}
		}
	}
	if worst.reason == v1alpha1.ReasonProgrammed && len(o.Routers) == 0 {
		worst.message = noPod
	}
	return worst.reason, worst.message
}

// router says why a router does not work, or that it does.
func (w *waiting) router(at translate.Router) trouble {
	r, ok := w.routers[at]
	switch {
	case r.Snapshot != nil:
		return trouble{reason: v1alpha1.ReasonProgrammed}
	case !ok || r.Err == nil:
		return trouble{v1alpha1.ReasonPending, fmt.Sprintf("%stable %d is not set up yet", w.where(at), at.Table)}
	}
	return trouble{reasonOf(r.Cause), fmt.Sprintf("%stable %d: %v", w.where(at), at.Table, r.Err)}
}

// where begins a message about what is inside a pod.
func (w *waiting) where(at translate.Router) string {
	switch name := w.pods[at.PodUID]; {
	case at.PodUID == "":
		return ""
	case name != "":
		return "in pod " + name + ": "
	}
	return "in the pod with UID " + at.PodUID + ": "
}
