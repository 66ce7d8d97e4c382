package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/agent/doctor"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// Findings about objects. docs/doctor.md has a table of them.
const (
	notAccepted    = "route_not_accepted"
	notProgrammed  = "route_not_programmed"
	noNodeSelected = "no_node_selected"
	noPodSelected  = "no_pod_selected"
	isolated       = "network_policy"

	noRule = "no_rule" // of smcroutectl
)

// aboutPods reports whether a node without a pod has no rule of the route.
func aboutPods(r *v1alpha1.MulticastRoute) bool {
	return r.Spec.From.Pods != nil || len(r.Spec.To) > 0 && !slices.ContainsFunc(r.Spec.To, func(to v1alpha1.RouteOutput) bool { return to.Pods == nil })
}

// conditionFindings tells of what the status says.
func conditionFindings(r *v1alpha1.MulticastRoute) (found []doctor.Finding) {
	if len(r.Status.Conditions) == 0 {
		return []doctor.Finding{{
			ID: notAccepted, Severity: doctor.Risk, Text: "The route has no status: no controller has seen it",
			Evidence: []string{"status.conditions is empty"}, Fix: []string{"kubectl get pods -A -l app.kubernetes.io/name=kube-smcroute"},
			Doc: docOf(notAccepted),
		}}
	}
	for _, c := range r.Status.Conditions {
		if c.Status == metav1.ConditionTrue {
			continue
		}
		f := doctor.Finding{
			ID: notProgrammed, Severity: doctor.Broken, Text: fmt.Sprintf("%s is %s, %s: %s", c.Type, c.Status, c.Reason, c.Message),
			Evidence: []string{fmt.Sprintf("%d nodes are selected, %d have it", r.Status.Nodes.Matched, r.Status.Nodes.Programmed)},
			Fix:      []string{fmt.Sprintf("kubectl describe mcroute -n %s %s", r.Namespace, r.Name), "# docs/api.md has what to do about each reason"},
		}
		if c.Type == "Accepted" {
			f.ID = notAccepted
		}
		if c.Status == metav1.ConditionUnknown {
			f.Severity = doctor.Risk // packets may well flow
		}
		for _, n := range r.Status.FailingNodes {
			f.Evidence = append(f.Evidence, fmt.Sprintf("node %s: %s: %s", n.Name, n.Reason, n.Message))
		}
		f.Doc = docOf(string(f.ID))
		found = append(found, f)
	}
	return found
}

func docOf(id string) string { return "docs/doctor.md#" + id }

// selectedNodes lists the nodes of a route, or of those that are named.
func (c *cluster) selectedNodes(ctx context.Context, r *v1alpha1.MulticastRoute, named []string) ([]string, error) {
	if len(named) > 0 {
		return named, nil
	}
	selector := labels.Everything()
	if r.Spec.NodeSelector != nil {
		var err error
		if selector, err = metav1.LabelSelectorAsSelector(r.Spec.NodeSelector); err != nil {
			return nil, err
		}
	}
	var nodes corev1.NodeList
	if err := c.List(ctx, &nodes, client.MatchingLabelsSelector{Selector: selector}); err != nil {
		return nil, err
	}
	var names []string
	for i := range nodes.Items {
		names = append(names, nodes.Items[i].Name)
	}
	return names, nil
}

func noNode(r *v1alpha1.MulticastRoute) doctor.Finding {
	selector := metav1.FormatLabelSelector(r.Spec.NodeSelector)
	return doctor.Finding{
		ID: noNodeSelected, Severity: doctor.Broken, Text: "No node has the labels that the route selects",
		Evidence: []string{"nodeSelector: " + selector},
		Fix:      []string{"kubectl get nodes --show-labels", fmt.Sprintf("kubectl edit mcroute -n %s %s", r.Namespace, r.Name)},
		Doc:      docOf(noNodeSelected),
	}
}

// examinePods looks whether the route's selectors have pods, and who isolates them.
func (c *cluster) examinePods(ctx context.Context, r *v1alpha1.MulticastRoute, report *routeReport) error {
	selectors := map[string]*metav1.LabelSelector{}
	if r.Spec.From.Pods != nil {
		selectors["from.pods"] = r.Spec.From.Pods
	}
	for i, to := range r.Spec.To {
		if to.Pods != nil {
			selectors[fmt.Sprintf("to[%d].pods", i)] = to.Pods
		}
	}
	if len(selectors) == 0 {
		return nil
	}
	var policies networkingv1.NetworkPolicyList
	if err := c.List(ctx, &policies, client.InNamespace(r.Namespace)); err != nil {
		if !apierrors.IsForbidden(err) {
			return err
		}
		report.unseen("network policies", err)
	}
	for where, s := range selectors {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			return err
		}
		var pods corev1.PodList
		if err := c.List(ctx, &pods, client.InNamespace(r.Namespace), client.MatchingLabelsSelector{Selector: selector}); err != nil {
			return err
		}
		running := 0
		for i := range pods.Items {
			if p := &pods.Items[i]; p.Status.Phase == corev1.PodRunning {
				running++
				report.isolation(p, policies.Items)
			}
		}
		if running == 0 {
			report.Findings = append(report.Findings, doctor.Finding{
				ID: noPodSelected, Severity: doctor.Broken, Text: fmt.Sprintf("No pod that runs in namespace %s has the labels of %s", r.Namespace, where),
				Evidence: []string{fmt.Sprintf("%s: %s selects %d pods, none of which runs", where, selector, len(pods.Items))},
				Fix:      []string{fmt.Sprintf("kubectl get pods -n %s -l '%s' -o wide", r.Namespace, selector), "kubectl get pods -n " + r.Namespace + " --show-labels"},
				Doc:      docOf(noPodSelected),
			})
		}
	}
	return nil
}

// isolation tells of policies that select a pod: what they do to multicast is up
// to the network plug-in.
func (report *routeReport) isolation(p *corev1.Pod, policies []networkingv1.NetworkPolicy) {
	var names []string
	for i := range policies {
		selector, err := metav1.LabelSelectorAsSelector(&policies[i].Spec.PodSelector)
		if err == nil && selector.Matches(labels.Set(p.Labels)) {
			names = append(names, policies[i].Name)
		}
	}
	if len(names) == 0 {
		return
	}
	report.Findings = append(report.Findings, doctor.Finding{
		ID: isolated, Severity: doctor.Note, Text: fmt.Sprintf("Policies of the network isolate the pod %s, as its network plug-in sees fit", p.Name),
		Evidence: []string{"NetworkPolicy: " + strings.Join(names, ", ")},
		Fix:      []string{fmt.Sprintf("kubectl describe networkpolicy -n %s %s", p.Namespace, strings.Join(names, " ")), "# try ipBlock with the source's address for ingress, and with the group for egress"},
		Doc:      docOf(isolated),
	})
}
