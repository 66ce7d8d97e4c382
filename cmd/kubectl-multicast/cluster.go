package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// cluster is a connection to an API server.
type cluster struct {
	client.Client
	config         *rest.Config
	agentNamespace string
}

// connect makes ready; the first request is what connects.
func (s *settings) connect() (*cluster, error) {
	config, err := s.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, networkingv1.AddToScheme, authorizationv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	mapper, err := s.ToRESTMapper()
	if err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{Scheme: scheme, Mapper: mapper})
	return &cluster{c, config, s.agentNamespace}, err
}

// mayExec reports whether the user may have programs run in agents' pods.
func (c *cluster) mayExec(ctx context.Context) (bool, error) {
	for _, what := range []authorizationv1.ResourceAttributes{
		{Verb: "list", Resource: "pods"},
		{Verb: "create", Resource: "pods", Subresource: "exec"},
		{Verb: "get", Resource: "pods", Subresource: "exec"}, // what a WebSocket begins with
	} {
		what.Namespace = c.agentNamespace
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &what}}
		if err := c.Create(ctx, review); err != nil {
			return false, fmt.Errorf("asking what you may do: %w", err)
		}
		if !review.Status.Allowed {
			return false, nil
		}
	}
	return true, nil
}

// agentPod is the agent of a node.
type agentPod struct {
	node, name string
	problem    string // why it cannot be asked
}

// Labels of agents' pods, and how many pods are got at a time.
const (
	nameLabel, nameValue           = "app.kubernetes.io/name", "kube-smcroute"
	componentLabel, componentValue = "app.kubernetes.io/component", "agent"
	pageSize                       = 500
)

// agents returns one pod for each node that has any, by node: of all, or of the
// nodes that are named.
func (c *cluster) agents(ctx context.Context, nodes []string) ([]agentPod, error) {
	best := map[string]*corev1.Pod{}
	selections := []client.ListOption{client.MatchingFields{}}
	if len(nodes) > 0 {
		selections = nil
		for _, node := range nodes {
			selections = append(selections, client.MatchingFields{"spec.nodeName": node})
		}
	}
	for _, selection := range selections {
		if err := c.eachAgent(ctx, selection, func(p *corev1.Pod) {
			if node := p.Spec.NodeName; node != "" && (best[node] == nil || rank(p) > rank(best[node])) {
				best[node] = p
			}
		}); err != nil {
			return nil, fmt.Errorf("agents in namespace %s: %w", c.agentNamespace, err)
		}
	}
	var agents []agentPod
	for node, p := range best {
		a := agentPod{node: node, name: p.Name}
		if p.Status.Phase != corev1.PodRunning {
			a.problem = fmt.Sprintf("the agent's pod %s is %s", p.Name, p.Status.Phase)
		}
		agents = append(agents, a)
	}
	for _, node := range nodes {
		if best[node] == nil {
			agents = append(agents, agentPod{node: node, problem: "there is no agent on the node"})
		}
	}
	slices.SortFunc(agents, func(a, b agentPod) int { return cmp.Compare(a.node, b.node) })
	return slices.CompactFunc(agents, func(a, b agentPod) bool { return a.node == b.node }), nil
}

func (c *cluster) eachAgent(ctx context.Context, selection client.ListOption, f func(*corev1.Pod)) error {
	options := []client.ListOption{
		client.InNamespace(c.agentNamespace), client.MatchingLabels{nameLabel: nameValue, componentLabel: componentValue},
		client.Limit(pageSize), selection,
	}
	for next := ""; ; {
		var pods corev1.PodList
		if err := c.List(ctx, &pods, append(slices.Clip(options), client.Continue(next))...); err != nil {
			return err
		}
		for i := range pods.Items {
			f(&pods.Items[i])
		}
		if next = pods.Continue; next == "" {
			return nil
		}
	}
}

// rank tells which of a node's pods to ask: while one is replaced there are two.
func rank(p *corev1.Pod) int {
	r := 0
	if p.Status.Phase == corev1.PodRunning {
		r += 4
	}
	if p.DeletionTimestamp == nil {
		r++
	}
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			r += 2
		}
	}
	return r
}
