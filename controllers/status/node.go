package status

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Node is what counts of a Node.
type Node struct {
	Name   string
	Labels map[string]string
	// Silent is that Kubernetes has lost sight of the node, as of one that is
	// down: its condition Ready is Unknown. Of one that says itself that it is not
	// ready the agent's reports count: pods on the node's network run all the same.
	Silent bool
}

// NodeOf takes from a Node what counts.
func NodeOf(n *corev1.Node) Node {
	node := Node{Name: n.Name, Labels: n.Labels}
	for i := range n.Status.Conditions {
		if c := &n.Status.Conditions[i]; c.Type == corev1.NodeReady {
			node.Silent = c.Status == corev1.ConditionUnknown
		}
	}
	return node
}

// runsLinux reports whether n may have an agent.
func (n *Node) runsLinux() bool {
	os, ok := n.Labels[corev1.LabelOSStable]
	return !ok || os == string(corev1.Linux)
}

// selector is the one of a spec: all nodes if it has none.
func selector(s *metav1.LabelSelector) (labels.Selector, error) {
	if s == nil {
		return labels.Everything(), nil
	}
	return metav1.LabelSelectorAsSelector(s)
}

// Selects reports whether a nodeSelector selects a node. One that is not valid
// selects none.
func Selects(s *metav1.LabelSelector, n Node) bool {
	sel, err := selector(s)
	return err == nil && n.runsLinux() && sel.Matches(labels.Set(n.Labels))
}

func selectsAll(s *metav1.LabelSelector) bool {
	return s == nil || len(s.MatchLabels)+len(s.MatchExpressions) == 0
}
