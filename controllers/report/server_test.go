package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

var resource = schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "multicastnodestates"}

var errDown = errors.New("connection refused")

// server is an API server for MulticastNodeStates. It notes when it was asked.
type server struct {
	t *testing.T

	mu       sync.Mutex
	down     bool
	version  int
	objects  map[string]*v1alpha1.MulticastNodeState
	requests []request
	waivers  int  // nodes that may be late once
	older    bool // its definition of reports has no lines
	lines    int  // of the last report
}

type request struct {
	at   time.Time
	verb string
	node string
	ok   bool
}

func newServer(t *testing.T) *server {
	return &server{t: t, objects: map[string]*v1alpha1.MulticastNodeState{}}
}

// begin notes a request.
func (s *server) begin(ctx context.Context, verb, node string) (*request, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.requests = append(s.requests, request{at: time.Now(), verb: verb, node: node})
	r := &s.requests[len(s.requests)-1]
	if s.down {
		return r, errDown
	}
	return r, nil
}

func (s *server) Get(ctx context.Context, name string, _ metav1.GetOptions) (*v1alpha1.MulticastNodeState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.begin(ctx, "get", name)
	if err != nil {
		return nil, err
	}
	o := s.objects[name]
	if o == nil {
		return nil, apierrors.NewNotFound(resource, name)
	}
	r.ok = true
	return o.DeepCopy(), nil
}

func (s *server) Create(ctx context.Context, obj *v1alpha1.MulticastNodeState, _ metav1.CreateOptions) (*v1alpha1.MulticastNodeState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.begin(ctx, "create", obj.GetName())
	if err != nil {
		return nil, err
	}
	if s.objects[obj.GetName()] != nil {
		return nil, apierrors.NewAlreadyExists(resource, obj.GetName())
	}
	if obj.GetResourceVersion() != "" {
		return nil, apierrors.NewBadRequest("resourceVersion should not be set on objects to be created")
	}
	r.ok = true
	obj = obj.DeepCopy()
	obj.SetUID(types.UID(fmt.Sprintf("uid-%d", s.version)))
	return s.store(obj), nil
}

func (s *server) Update(ctx context.Context, obj *v1alpha1.MulticastNodeState, _ metav1.UpdateOptions) (*v1alpha1.MulticastNodeState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.begin(ctx, "update", obj.GetName())
	if err != nil {
		return nil, err
	}
	old := s.objects[obj.GetName()]
	switch {
	case old == nil:
		return nil, apierrors.NewNotFound(resource, obj.GetName())
	case old.ResourceVersion != obj.GetResourceVersion():
		return nil, apierrors.NewConflict(resource, obj.GetName(), errors.New("it was changed"))
	}
	if due := old.Status.NextReportTime.Time; time.Now().After(due) {
		if s.waivers--; s.waivers < 0 {
			s.t.Errorf("%s: a report was due at %v, and came at %v", obj.GetName(), due, time.Now())
		}
	}
	r.ok = true
	return s.store(obj), nil
}

// store keeps an object, as it is read by who gets it, and returns it as the server's
// answer.
func (s *server) store(o *v1alpha1.MulticastNodeState) *v1alpha1.MulticastNodeState {
	s.version++
	o = o.DeepCopy()
	s.lines = len(o.Status.ProgrammedRoutes)
	if s.older {
		o.Status.ProgrammedRoutes, o.Status.ProgrammedGroups = nil, nil // as it prunes what it does not know
	}
	text, err := json.Marshal(o)
	if err == nil {
		o = &v1alpha1.MulticastNodeState{}
		err = json.Unmarshal(text, o)
	}
	if err != nil {
		s.t.Error(err)
	}
	o.ResourceVersion = strconv.Itoa(s.version)
	s.objects[o.Name] = o
	return o.DeepCopy()
}

// set changes the server.
func (s *server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// object is a node's report; nil if there is none.
func (s *server) object(node string) *v1alpha1.MulticastNodeState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[node].DeepCopy()
}

// since returns the requests that came after t, by node.
func (s *server) since(t time.Time) map[string][]request {
	s.mu.Lock()
	defer s.mu.Unlock()
	byNode := map[string][]request{}
	for _, r := range s.requests {
		if r.at.After(t) {
			byNode[r.node] = append(byNode[r.node], r)
		}
	}
	return byNode
}

// writes returns the times of all reports after t.
func (s *server) writes(t time.Time) (times []time.Time) {
	for _, rs := range s.since(t) {
		for _, r := range rs {
			if r.ok && r.verb != "get" {
				times = append(times, r.at)
			}
		}
	}
	return times
}
