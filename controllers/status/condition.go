package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// maxConditionMessage is the length of a condition's message, in bytes. The API
// takes 32 KiB.
const maxConditionMessage = 1024

// conditions returns the old ones with Accepted and Programmed as they are now.
// The time of a transition stays unless the status of the condition changes.
func (v *verdict) conditions(old []metav1.Condition, generation int64, now time.Time) []metav1.Condition {
	conditions := slices.Clone(old)
	for _, c := range []metav1.Condition{v.accepted(), v.isProgrammed()} {
		c.ObservedGeneration = generation
		c.LastTransitionTime = metav1.NewTime(seconds(now))
		c.Message = shorten(c.Message, maxConditionMessage)
		meta.SetStatusCondition(&conditions, c)
	}
	return conditions
}

func (v *verdict) accepted() metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionAccepted}
	switch {
	case v.invalid != nil:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, v1alpha1.ReasonInvalid, v.badSelector()
	case len(v.rejected) > 0:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, v.rejected[0].Reason, v.complaint(v.rejected)
	case v.told:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonAccepted, "The "+v.kind+" is valid and permitted"
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, v1alpha1.ReasonPending, "No selected node has reported on this generation yet"
	}
	return c
}

func (v *verdict) isProgrammed() metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionProgrammed}
	switch {
	case v.invalid != nil:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, v1alpha1.ReasonInvalid, v.badSelector()
	case v.matched == 0 && len(v.absent) > 0:
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, v1alpha1.ReasonNodeNotReporting, "There is no report of any agent: expected the DaemonSet of smcroute-agent to run, and not with --report=Off"
	case v.matched == 0:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, v1alpha1.ReasonNoMatchingNodes, v.noNodes()
	case len(v.failed) > 0 && v.failed[0].Reason != v1alpha1.ReasonNodeNotReporting:
		reported := slices.DeleteFunc(slices.Clone(v.failed), func(f v1alpha1.FailingNode) bool {
			return f.Reason == v1alpha1.ReasonNodeNotReporting
		})
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, reported[0].Reason, v.complaint(reported)
	case len(v.failed) > 0:
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, v1alpha1.ReasonNodeNotReporting, v.silence()
	case len(v.pending) > 0:
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, v1alpha1.ReasonPending, v.waits()
	case v.idle == v.matched:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonProgrammed,
			"There is nothing to program: no pod that the "+v.kind+" selects runs on a selected node"
	case v.matched == 1:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonProgrammed, "The "+v.kind+" is in the kernel of the selected node"
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonProgrammed,
			fmt.Sprintf("The %s is in the kernels of all %d selected nodes", v.kind, v.matched)
	}
	if len(v.absent) > 0 {
		c.Message += "; no agent has reported from " + named(v.absent)
	}
	return c
}

func (v *verdict) badSelector() string { return fmt.Sprintf("spec.nodeSelector: %v", v.invalid) }

func (v *verdict) noNodes() string {
	if selectsAll(v.selector) {
		return "There is no node that runs Linux"
	}
	return fmt.Sprintf("No node matches the nodeSelector %q: label a node so, or change the selector", metav1.FormatLabelSelector(v.selector))
}

// complaint tells what the first of some failing nodes says, which others say
// the same, and how many say something else.
func (v *verdict) complaint(failed []v1alpha1.FailingNode) string {
	first := failed[0]
	var same []string
	for _, f := range failed {
		if f.Reason == first.Reason && f.Message == first.Message {
			same = append(same, f.Name)
		}
	}
	text := fmt.Sprintf("%s: %s", named(same), first.Message)
	if rest := len(failed) - len(same); rest > 0 {
		text += fmt.Sprintf("; and %d more failing", rest)
	}
	return text + v.share(len(failed))
}

// silence tells which nodes do not report, and why the first does not.
func (v *verdict) silence() string {
	names := make([]string, len(v.failed))
	for i, f := range v.failed {
		names[i] = f.Name
	}
	return fmt.Sprintf("No report from %s%s; %s: %s", named(names), v.share(len(names)), names[0], v.failed[0].Message)
}

// waits tells which nodes are waited for, and what for.
func (v *verdict) waits() string {
	names := make([]string, len(v.pending))
	why := ""
	for i, p := range v.pending {
		names[i] = p.Name
		if why == "" && p.Message != "" {
			why = fmt.Sprintf("; %s: %s", p.Name, p.Message)
		}
	}
	return fmt.Sprintf("Waiting for %s%s%s", named(names), v.share(len(names)), why)
}

// share is how many of the nodes are meant, unless there is but one.
func (v *verdict) share(n int) string {
	if v.matched == 1 {
		return ""
	}
	return fmt.Sprintf(" (%d of %d nodes)", n, v.matched)
}

// named lists a few names.
func named(names []string) string {
	if more := len(names) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), more)
	}
	return strings.Join(names, ", ")
}
