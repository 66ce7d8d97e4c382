package report

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// Client is what a Writer needs of a typed client, as package gentype's. It asks
// the API server and no cache, which would watch an object that nobody else
// writes.
type Client interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*v1alpha1.MulticastNodeState, error)
	Create(ctx context.Context, obj *v1alpha1.MulticastNodeState, opts metav1.CreateOptions) (*v1alpha1.MulticastNodeState, error)
	Update(ctx context.Context, obj *v1alpha1.MulticastNodeState, opts metav1.UpdateOptions) (*v1alpha1.MulticastNodeState, error)
}

// timeout is the longest that a request may take.
const timeout = 30 * time.Second

// store is the object in the API server.
type store struct {
	client  Client
	node    string
	nodeUID func(context.Context) (types.UID, error)

	seen  *metav1.ObjectMeta // of the object; nil: there is none
	owner types.UID          // of the Node, as it was written last
	plain bool               // the definition in the API server is of an older version, and has no lines
}

// load reads the object. There may be none.
func (s *store) load(ctx context.Context) (*v1alpha1.MulticastNodeStateStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	o, err := s.client.Get(ctx, s.node, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		s.seen = nil
		return nil, nil
	case err != nil:
		return nil, err
	}
	s.see(o)
	return &o.Status, nil
}

func (s *store) see(o *v1alpha1.MulticastNodeState) {
	s.seen = o.ObjectMeta.DeepCopy()
	s.seen.ManagedFields = nil // the API server has them
}

// write replaces the object, or makes it.
func (s *store) write(ctx context.Context, report *v1alpha1.MulticastNodeStateStatus) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	uid, err := s.nodeUID(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("the Node that owns the report: %w", err)
	case uid == "":
		return errNoNode
	}
	err = s.put(ctx, report, uid)
	switch {
	case apierrors.IsNotFound(err) && s.seen != nil:
		s.seen = nil // somebody removed it
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		if _, err := s.load(ctx); err != nil {
			return err
		}
	default:
		return err
	}
	return s.put(ctx, report, uid)
}

// put makes one request.
func (s *store) put(ctx context.Context, report *v1alpha1.MulticastNodeStateStatus, uid types.UID) error {
	o := &v1alpha1.MulticastNodeState{Status: *report}
	if !s.plain {
		o.Status = report.Packed()
	}
	if s.seen != nil {
		o.ObjectMeta = *s.seen.DeepCopy()
	}
	o.Name = s.node
	o.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: s.node, UID: uid}}
	var err error
	if s.seen == nil {
		o, err = s.client.Create(ctx, o, metav1.CreateOptions{})
	} else {
		o, err = s.client.Update(ctx, o, metav1.UpdateOptions{})
	}
	if err != nil {
		return err
	}
	s.see(o)
	s.owner = uid
	if !s.plain && len(o.Status.Routes)+len(o.Status.Groups) < len(report.Routes)+len(report.Groups) {
		s.plain = true
		return s.put(ctx, report, uid)
	}
	return nil
}

// orphaned reports whether the Node is another one now: the object is gone with
// the one before, or will be.
func (s *store) orphaned(ctx context.Context) bool {
	uid, err := s.nodeUID(ctx)
	return err == nil && uid != "" && uid != s.owner
}
