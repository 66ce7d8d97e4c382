package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

const (
	maxFailing = 5 // MaxItems of FailingNodes
	maxNamed   = 3 // nodes named in a message
)

// verdict is what the selected nodes made of an object. Each of them is
// programmed, failed or pending.
type verdict struct {
	kind     string // "route" or "group"
	selector *metav1.LabelSelector
	invalid  error // of the selector

	matched, programmed int
	idle                int // programmed nodes where it comes to nothing
	failed, pending     []v1alpha1.FailingNode
	absent              []string // nodes that would be selected if they had an agent
	counters            *v1alpha1.Counters

	// What nodes said of the object as it is now. This holds for those as well
	// that are silent since.
	told     bool // that it is all right
	rejected []v1alpha1.FailingNode

	again time.Time // when a report that counts is late; zero: never
}

// judge looks at all nodes.
func judge(o Object, meta *metav1.ObjectMeta, sel *metav1.LabelSelector, nodes []Node, reports *Index, now time.Time) *verdict {
	v := &verdict{selector: sel, kind: "route"}
	if strings.HasSuffix(string(o.Kind), "Group") {
		v.kind = "group"
	}
	var selects labels.Selector
	selects, v.invalid = selector(sel)
	if v.invalid != nil {
		return v
	}
	all := selects.Empty() // that have an agent
	states := reports.objects[o]
	for i := range nodes {
		n := &nodes[i]
		if !n.runsLinux() || !all && !selects.Matches(labels.Set(n.Labels)) {
			continue
		}
		if all && reports.nodes[n.Name] == nil {
			v.absent = append(v.absent, n.Name)
			continue
		}
		v.matched++
		v.node(n, meta, reports, states[n.Name], now)
	}
	telling := func(a, b v1alpha1.FailingNode) int {
		return cmp.Or(cmp.Compare(rank(a.Reason), rank(b.Reason)), cmp.Compare(a.Name, b.Name))
	}
	slices.SortFunc(v.failed, telling)
	slices.SortFunc(v.pending, telling)
	slices.SortFunc(v.rejected, telling)
	slices.Sort(v.absent)
	return v
}

// node looks at one that is selected.
func (v *verdict) node(n *Node, meta *metav1.ObjectMeta, reports *Index, state *v1alpha1.ObjectState, now time.Time) {
	if state != nil && state.UID == string(meta.UID) {
		v.count(state.Counters)
	} else {
		state = nil
	}
	current := state != nil && state.Generation == meta.Generation
	switch {
	case current && IsRejection(state.Reason):
		v.rejected = append(v.rejected, v1alpha1.FailingNode{Name: n.Name, Reason: state.Reason, Message: explained(state)})
	case current:
		v.told = true
	}
	report := reports.nodes[n.Name]
	fail := func(reason, message string) {
		v.failed = append(v.failed, v1alpha1.FailingNode{Name: n.Name, Reason: reason, Message: message})
	}
	switch {
	case n.Silent:
		fail(v1alpha1.ReasonNodeNotReporting, "the node is silent: its condition Ready is Unknown")
		return
	case report == nil:
		fail(v1alpha1.ReasonNodeNotReporting, "no agent has reported from the node")
		return
	case reports.Late(n.Name, now):
		fail(v1alpha1.ReasonNodeNotReporting, fmt.Sprintf("the agent is silent since %s; its next report was due before %s",
			report.Status.ReportTime.UTC().Format(time.RFC3339), report.Status.NextReportTime.UTC().Format(time.RFC3339)))
		return
	}
	if next := reports.due[n.Name]; !next.IsZero() && (v.again.IsZero() || next.Before(v.again)) {
		v.again = next
	}
	if !current {
		v.pending = append(v.pending, v1alpha1.FailingNode{Name: n.Name, Reason: v1alpha1.ReasonPending})
		return
	}
	switch state.Reason {
	case v1alpha1.ReasonProgrammed:
		v.programmed++
		if state.Message != "" { // all is well, but for this: it selects no pod
			v.idle++
		}
	case v1alpha1.ReasonPending:
		v.pending = append(v.pending, v1alpha1.FailingNode{Name: n.Name, Reason: v1alpha1.ReasonPending, Message: state.Message})
	default:
		fail(state.Reason, explained(state))
	}
}

// explained is the message of a state, which a report that is too large leaves
// out.
func explained(state *v1alpha1.ObjectState) string {
	return cmp.Or(state.Message, "see the log of the node's agent")
}

func (v *verdict) count(c *v1alpha1.Counters) {
	if c == nil {
		return
	}
	if v.counters == nil {
		v.counters = &v1alpha1.Counters{}
	}
	sum := v.counters
	sum.Packets = add(sum.Packets, max(0, c.Packets))
	sum.Bytes = add(sum.Bytes, max(0, c.Bytes))
	sum.WrongInterface = add(sum.WrongInterface, max(0, c.WrongInterface))
	sum.Flows = add(sum.Flows, max(0, c.Flows))
	if t := c.LastUpdateTime; t != nil && (sum.LastUpdateTime == nil || t.After(sum.LastUpdateTime.Time)) {
		sum.LastUpdateTime = t.DeepCopy()
	}
}

func (v *verdict) counts() v1alpha1.NodeCounts {
	return v1alpha1.NodeCounts{Matched: int32(v.matched), Programmed: int32(v.programmed), Failed: int32(len(v.failed))}
}

// failing are a few of the nodes that failed: one for each reason first, then
// more of them, the most telling ones first.
func (v *verdict) failing() []v1alpha1.FailingNode {
	var firsts, more []v1alpha1.FailingNode
	for i, f := range v.failed {
		if i == 0 || f.Reason != v.failed[i-1].Reason {
			firsts = append(firsts, f)
		} else if len(more) < maxFailing {
			more = append(more, f)
		}
	}
	all := append(firsts, more...)
	return all[:min(len(all), maxFailing)]
}

// summary is "programmed/matched".
func (v *verdict) summary() string { return fmt.Sprintf("%d/%d", v.programmed, v.matched) }
