package summary

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/status"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// reconciler writes the status of an object.
type reconciler struct {
	book   *book
	read   client.Reader            // a cache, whose objects are not changed
	write  client.SubResourceWriter // of the status
	events events.EventRecorder
	log    *slog.Logger
}

// levelNotice lies between Info and Warn, like syslog's LOG_NOTICE.
const levelNotice = slog.LevelInfo + 2

// afterConflict is when an object that somebody else has changed is looked at
// again: the cache will have it by then.
const afterConflict = time.Second

// Reconcile brings the status of an object up to date, now or when it is due.
func (r *reconciler) Reconcile(ctx context.Context, o status.Object) (reconcile.Result, error) {
	r.book.begin(o)
	t, err := r.get(ctx, o)
	switch {
	case apierrors.IsNotFound(err):
		r.book.gone(o)
		return reconcile.Result{}, nil
	case err != nil:
		return reconcile.Result{}, err
	case t.meta().DeletionTimestamp != nil:
		return reconcile.Result{}, nil
	}
	now := time.Now()
	var again time.Time
	stateAt, countersAt := r.book.look(o, now, func(nodes []status.Node, reports *status.Index) {
		again = t.summarise(nodes, reports, now)
	})
	var due time.Time
	class := state
	switch t.change() {
	case 0:
		return r.later(o, again, now), nil
	case status.StateChanged:
		due = stateAt
	default:
		due, class = countersAt, counters
	}
	if !due.After(now) {
		due = r.book.turn(o, class, now)
	}
	if due.After(now) {
		return r.later(o, earlier(due, again), now), nil
	}
	err = r.write.Update(ctx, t.updated())
	switch {
	case apierrors.IsConflict(err):
		return r.later(o, now.Add(afterConflict), now), nil
	case apierrors.IsNotFound(err):
		return reconcile.Result{}, nil // its deletion will be told
	case err != nil:
		return reconcile.Result{}, fmt.Errorf("status of %s %s/%s: %w", o.Kind, o.Namespace, o.Name, err)
	}
	r.book.wrote(o, time.Now())
	r.tell(o, t)
	return r.later(o, again, now), nil
}

// later has the object looked at again at a time, or not if it is zero.
func (r *reconciler) later(o status.Object, at, now time.Time) reconcile.Result {
	if at.IsZero() {
		return reconcile.Result{}
	}
	r.book.planned(o, at)
	return reconcile.Result{RequeueAfter: max(at.Sub(now), time.Millisecond)}
}

func (r *reconciler) get(ctx context.Context, o status.Object) (target, error) {
	key := client.ObjectKey{Namespace: o.Namespace, Name: o.Name}
	if o.Kind == translate.GroupKind {
		t := &groupTarget{old: &v1alpha1.MulticastGroup{}}
		return t, r.read.Get(ctx, key, t.old)
	}
	t := &routeTarget{old: &v1alpha1.MulticastRoute{}}
	return t, r.read.Get(ctx, key, t.old)
}

// tell logs the conditions that changed, and makes events of those that a user
// must act on.
func (r *reconciler) tell(o status.Object, t target) {
	old, now := t.conditions()
	for _, c := range now {
		was := condition(old, c.Type)
		if c.Status == was.Status && c.Reason == was.Reason {
			continue
		}
		r.log.Log(context.Background(), levelNotice, fmt.Sprintf("%s is %s", c.Type, c.Status), "kind", string(o.Kind), "namespace", o.Namespace, "name", o.Name,
			"reason", c.Reason, "message", c.Message)
	}
	if c := alarming(old, now); c != nil {
		r.events.Eventf(t.updated(), nil, "Warning", c.Reason, "Summarise", "%s", c.Message)
	}
}

// alarming is the condition that has become False, or is so for another reason,
// in a way that will not pass by itself. If it is both, it is Accepted, which is
// why Programmed is.
func alarming(old, now []metav1.Condition) *metav1.Condition {
	for _, kind := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionProgrammed} {
		c, was := condition(now, kind), condition(old, kind)
		if c.Status != metav1.ConditionFalse {
			continue
		}
		if was.Status == metav1.ConditionFalse && was.Reason == c.Reason {
			return nil
		}
		return &c
	}
	return nil
}

// condition is the one of a type; the zero one if there is none.
func condition(conditions []metav1.Condition, kind string) metav1.Condition {
	for _, c := range conditions {
		if c.Type == kind {
			return c
		}
	}
	return metav1.Condition{}
}

// earlier is the lesser of two times of which the zero one is never.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}
