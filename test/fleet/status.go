package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/kubelab"
)

// Statuses watches the status of routes.
type Statuses struct {
	fleet  *Fleet
	events <-chan told
	now    map[string]*v1alpha1.MulticastRoute
}

// told is an event, and when it came.
type told struct {
	at    time.Time
	route *v1alpha1.MulticastRoute
}

// Statuses begins to watch, until the end of the test.
func (f *Fleet) Statuses() *Statuses {
	f.tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f.tb.Cleanup(cancel)
	s := &Statuses{fleet: f, now: map[string]*v1alpha1.MulticastRoute{}}
	var list v1alpha1.MulticastRouteList
	if err := f.lab.Client.List(ctx, &list, client.InNamespace(kubelab.Namespace)); err != nil {
		f.tb.Fatalf("fleet: %v", err)
	}
	for i := range list.Items {
		s.now[list.Items[i].Name] = &list.Items[i]
	}
	events := make(chan told, 1<<16)
	s.events = events
	go func() {
		defer close(events)
		at := list.ResourceVersion
		for ctx.Err() == nil { // the server ends watches now and then
			w, err := f.lab.Client.Watch(ctx, &v1alpha1.MulticastRouteList{},
				client.InNamespace(kubelab.Namespace), &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: at}})
			if err != nil {
				time.Sleep(100 * time.Millisecond) // it may be restarting
				continue
			}
			for e := range w.ResultChan() {
				if r, ok := e.Object.(*v1alpha1.MulticastRoute); ok {
					at = r.ResourceVersion
					r.ManagedFields = nil // which are most of it
					events <- told{time.Now(), r}
				}
			}
		}
	}()
	return s
}

// Await waits until the status of all those routes, of this generation at least, says
// that they are programmed on as many nodes as it should, and returns when it came
// to that.
func (s *Statuses) Await(nodes map[string]int, generation int64) time.Time {
	s.fleet.tb.Helper()
	ok := func(name string) bool {
		r, want := s.now[name], nodes[name]
		return r != nil && r.Status.ObservedGeneration == r.Generation && r.Generation >= generation && int(r.Status.Nodes.Programmed) == want &&
			int(r.Status.Nodes.Matched) == want && meta.IsStatusConditionTrue(r.Status.Conditions, v1alpha1.ConditionProgrammed)
	}
	left := map[string]bool{}
	for name := range nodes {
		if !ok(name) {
			left[name] = true
		}
	}
	last := time.Now()
	wait := s.fleet.wait("statuses to tell of routes as programmed", len(nodes))
	for len(left) > 0 {
		select {
		case e, open := <-s.events:
			if !open {
				wait.fail(len(nodes)-len(left), errors.New("the watch of statuses ended"))
			}
			s.now[e.route.Name], last = e.route, e.at
			if left[e.route.Name] && ok(e.route.Name) {
				delete(left, e.route.Name)
			}
		case <-wait.tick():
			wait.say(len(nodes) - len(left))
		case <-wait.ctx.Done():
			for name := range left {
				err := context.Cause(wait.ctx)
				if r := s.now[name]; r != nil {
					err = fmt.Errorf("%w; %s, for %d nodes: %+v", err, name, nodes[name], r.Status)
				}
				wait.fail(len(nodes)-len(left), err)
			}
		}
	}
	wait.end()
	return last
}
