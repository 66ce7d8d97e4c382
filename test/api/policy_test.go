package api

import (
	"context"
	"strings"
	"testing"

	authv1 "k8s.io/api/authentication/v1"
	authzv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// An agent writes the state of its own node, and no other's.
func TestNodeStatePolicy(t *testing.T) {
	lab := start(t)
	n1, n2 := lab.Node(t, "policy-1", nil), lab.Node(t, "policy-2", nil)
	n2Object := &authv1.BoundObjectReference{Kind: "Node", APIVersion: "v1", Name: n2.Name, UID: n2.Object.UID}

	impersonated := func(extra map[string][]string) *rest.Config {
		config := rest.CopyConfig(lab.Config)
		config.Impersonate = rest.ImpersonationConfig{
			UserName: "system:serviceaccount:" + kubelab.Namespace + ":" + kubelab.ServiceAccount,
			Groups:   []string{"system:serviceaccounts", "system:authenticated"},
			Extra:    extra,
		}
		return config
	}
	const claim = "authentication.kubernetes.io/node-name"
	const named, silent = "the agent of node ", "the token of the agent names no node"

	// Roles and policies take effect some time after they are there.
	early, err := client.New(impersonated(map[string][]string{claim: {n1.Name}}), client.Options{Scheme: kubelab.NewScheme()})
	if err != nil {
		t.Fatal(err)
	}
	netlab.Await(t, patience, func() bool {
		state := &v1alpha1.MulticastNodeState{ObjectMeta: metav1.ObjectMeta{Name: n2.Name}}
		err := early.Create(context.Background(), state, client.DryRunAll)
		return err != nil && strings.Contains(err.Error(), named)
	}, "the policy to take effect")
	for _, c := range []struct {
		name   string
		config *rest.Config
		node   string // whose state is written
		want   string // what the server says; "" if it does it
	}{
		{"own", lab.As(n1.Token()), n1.Name, ""},
		{"another's", lab.As(n1.Token()), n2.Name, named + n1.Name},
		{"token bound to the node", lab.As(lab.Token(t, kubelab.ServiceAccount, n2Object)), n2.Name, ""},
		{"token bound to another node", lab.As(lab.Token(t, kubelab.ServiceAccount, n2Object)), n1.Name, named + n2.Name},
		{"token without a node", lab.As(lab.Token(t, kubelab.ServiceAccount, nil)), n1.Name, silent},
		{"impersonated, own", impersonated(map[string][]string{claim: {n1.Name}}), n1.Name, ""},
		{"impersonated, another's", impersonated(map[string][]string{claim: {n1.Name}}), n2.Name, named + n1.Name},
		{"impersonated, without a claim", impersonated(nil), n1.Name, silent},
		{"impersonated, an empty claim", impersonated(map[string][]string{claim: {""}}), n1.Name, silent},
		{"impersonated, two claims", impersonated(map[string][]string{claim: {n1.Name, n2.Name}}), n2.Name, named + n1.Name},
		{"administrator", lab.Config, n2.Name, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			agent, err := client.New(c.config, client.Options{Scheme: kubelab.NewScheme()})
			if err != nil {
				t.Fatal(err)
			}
			check := func(verb string, err error) {
				t.Helper()
				switch {
				case c.want == "" && err != nil:
					t.Errorf("%s: %v", verb, err)
				case c.want != "" && (!apierrors.IsForbidden(err) || !strings.Contains(err.Error(), c.want)):
					t.Errorf("%s: got %v, want %q", verb, err, c.want)
				}
			}
			ctx := context.Background()
			state := func() *v1alpha1.MulticastNodeState {
				return &v1alpha1.MulticastNodeState{
					TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "MulticastNodeState"},
					ObjectMeta: metav1.ObjectMeta{Name: c.node},
				}
			}
			check("create", agent.Create(ctx, state()))
			// For the refused ones someone else makes it.
			if err := lab.Client.Create(ctx, state()); client.IgnoreAlreadyExists(err) != nil {
				t.Fatal(err)
			}
			current := state()
			if err := lab.Client.Get(ctx, client.ObjectKeyFromObject(current), current); err != nil {
				t.Fatal(err)
			}
			current.Status.AgentVersion = c.name
			check("update", agent.Update(ctx, current.DeepCopy()))
			if err := lab.Client.Get(ctx, client.ObjectKeyFromObject(current), current); err != nil {
				t.Fatal(err)
			}
			if got := current.Status.AgentVersion == c.name; got != (c.want == "") {
				t.Errorf("what it wrote is there: %v", got)
			}
			if err := lab.Client.Delete(ctx, current); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// The roles give what is needed and no more.
func TestRoles(t *testing.T) {
	lab := start(t)
	const ours, core, none = "multicast.smcroute.io", "", ""
	for account, rows := range map[string][]struct {
		verb, group, resource, subresource string
		want                               bool
	}{
		kubelab.ServiceAccount: {
			{"list", ours, "multicastroutes", none, true},
			{"watch", ours, "multicastgroups", none, true},
			{"watch", core, "pods", none, true},
			{"watch", core, "nodes", none, true},
			{"create", ours, "multicastnodestates", none, true},
			{"update", ours, "multicastnodestates", none, true},
			{"list", ours, "multicastnodestates", none, false},
			{"delete", ours, "multicastnodestates", none, false},
			{"update", ours, "multicastroutes", none, false},
			{"update", ours, "multicastroutes", "status", false},
			{"patch", ours, "multicastroutes", "status", false},
			{"update", core, "nodes", none, false},
			{"get", core, "secrets", none, false},
			{"create", core, "pods", none, false},
			{"create", core, "pods", "exec", false},
		},
		"kube-smcroute-controller": {
			{"list", ours, "multicastroutes", none, true},
			{"watch", ours, "multicastnodestates", none, true},
			{"watch", core, "nodes", none, true},
			{"update", ours, "multicastroutes", "status", true},
			{"update", ours, "multicastgroups", "status", true},
			{"update", ours, "multicastnodestates", none, false},
			{"update", ours, "multicastroutes", none, false},
			{"get", core, "pods", none, false},
			{"get", core, "secrets", none, false},
			{"create", "coordination.k8s.io", "leases", none, false}, // in its own namespace only
		},
	} {
		user := "system:serviceaccount:" + kubelab.Namespace + ":" + account
		for _, r := range rows {
			review := &authzv1.SubjectAccessReview{Spec: authzv1.SubjectAccessReviewSpec{
				User: user,
				ResourceAttributes: &authzv1.ResourceAttributes{
					Verb: r.verb, Group: r.group, Resource: r.resource, Subresource: r.subresource,
				},
			}}
			if err := lab.Client.Create(context.Background(), review); err != nil {
				t.Fatal(err)
			}
			if review.Status.Allowed != r.want {
				t.Errorf("%s may %s %s/%s: %v", account, r.verb, r.resource, r.subresource, review.Status.Allowed)
			}
		}
	}
}
