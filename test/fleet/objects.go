package fleet

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"

	"golang.org/x/sync/errgroup"
	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/kubelab"
)

// rack is the label of nodes that stand together.
const rack = "fleet.test/rack"

// join makes a node that is ready, and the pod of its agent, and returns a token as
// a kubelet gets for it.
func (f *Fleet) join(ctx context.Context, name string, in int) (string, error) {
	c := f.lab.Client
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{rack: f.rack(in), corev1.LabelOSStable: "linux"}}}
	if err := c.Create(ctx, n); err != nil {
		return "", err
	}
	n.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
		LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
	}}
	if err := c.Status().Update(ctx, n); err != nil {
		return "", err
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: kubelab.Namespace, Name: "smcroute-agent-" + name},
		Spec: corev1.PodSpec{
			NodeName: name, HostNetwork: true, ServiceAccountName: kubelab.ServiceAccount,
			Containers: []corev1.Container{{Name: "agent", Image: "smcroute-agent.test"}},
		},
	}
	if err := c.Create(ctx, pod); err != nil {
		return "", err
	}
	request := &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{
		BoundObjectRef:    &authv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID},
		ExpirationSeconds: ptr.To[int64](24 * 3600),
	}}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: kubelab.Namespace, Name: kubelab.ServiceAccount}}
	if err := c.SubResource("token").Create(ctx, account, request); err != nil {
		return "", err
	}
	return request.Status.Token, nil
}

// rack is the value of the label of a rack's nodes.
func (f *Fleet) rack(in int) string { return f.o.Prefix + strconv.Itoa(in) }

// remove deletes what New and the agents made.
func (f *Fleet) remove() {
	var group errgroup.Group
	group.SetLimit(32)
	for i := range f.o.Agents {
		group.Go(func() error {
			name := f.o.Prefix + strconv.Itoa(i)
			for _, o := range []client.Object{
				&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: kubelab.Namespace, Name: "smcroute-agent-" + name}},
				&v1alpha1.MulticastNodeState{ObjectMeta: metav1.ObjectMeta{Name: name}},
				&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}},
			} {
				_ = f.lab.Client.Delete(context.Background(), o, client.GracePeriodSeconds(0)) // it may be gone
			}
			return nil
		})
	}
	_ = group.Wait()
}

// Source is that of all routes, and Group that of one.
var Source = netip.AddrFrom4([4]byte{10, 9, 9, 9})

// Group is one of 2^16.
func Group(i int) netip.Addr { return netip.AddrFrom4([4]byte{232, 1, byte(i >> 8), byte(i)}) }

// Route is the route of a group, for the nodes of a rack, or for all of the fleet if it
// is negative.
func (f *Fleet) Route(name string, group netip.Addr, in int) *v1alpha1.MulticastRoute {
	r := &v1alpha1.MulticastRoute{ObjectMeta: metav1.ObjectMeta{Namespace: kubelab.Namespace, Name: name}}
	r.Spec.From.Interface = input
	r.Spec.Sources = []v1alpha1.Address{v1alpha1.Address(Source.String())}
	r.Spec.Groups = []v1alpha1.Address{v1alpha1.Address(group.String())}
	r.Spec.To = []v1alpha1.RouteOutput{{Interface: output}}
	if in >= 0 {
		r.Spec.NodeSelector = &metav1.LabelSelector{MatchLabels: map[string]string{rack: f.rack(in)}}
	}
	return r
}

// rackOf is the rack that the i-th route of Create is for; negative: all nodes.
func (f *Fleet) rackOf(i int) int {
	if i%5 == 0 {
		return -1
	}
	return i % f.racks()
}

func (f *Fleet) racks() int { return (f.o.Agents + f.o.Rack - 1) / f.o.Rack }

// InRack is how many nodes a rack has; negative: all of them.
func (f *Fleet) InRack(i int) int {
	if i < 0 {
		return f.o.Agents
	}
	return min(f.o.Rack, f.o.Agents-i*f.o.Rack)
}

// Nodes is on how many nodes the i-th route of Create should be.
func (f *Fleet) Nodes(i int) int { return f.InRack(f.rackOf(i)) }

// Create makes a number of routes, each fifth for all nodes and the others for a rack
// each, and returns when the API server has them.
func (f *Fleet) Create(n int) {
	f.tb.Helper()
	group, ctx := errgroup.WithContext(context.Background())
	group.SetLimit(16)
	for i := range n {
		group.Go(func() error {
			return f.lab.Client.Create(ctx, f.Route(fmt.Sprintf("%sroute-%d", f.o.Prefix, i), Group(i), f.rackOf(i)))
		})
	}
	f.tb.Cleanup(func() {
		if f.o.Leave {
			return
		}
		for i := range n {
			_ = f.lab.Client.Delete(context.Background(), f.Route(fmt.Sprintf("%sroute-%d", f.o.Prefix, i), Group(i), 0))
		}
	})
	if err := group.Wait(); err != nil {
		f.tb.Fatalf("fleet: %v", err)
	}
}

// Apply changes the route of that name, or makes it.
func (f *Fleet) Apply(r *v1alpha1.MulticastRoute) error {
	ctx := context.Background()
	spec := *r.Spec.DeepCopy()
	err := f.lab.Client.Get(ctx, client.ObjectKeyFromObject(r), r)
	switch {
	case apierrors.IsNotFound(err):
		return f.lab.Client.Create(ctx, r)
	case err != nil:
		return err
	}
	r.Spec = spec
	return f.lab.Client.Update(ctx, r)
}
