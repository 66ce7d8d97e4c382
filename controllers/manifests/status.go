package manifests

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8syaml "sigs.k8s.io/yaml"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/status"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// statusBook keeps the status of all objects, as the controller does in a
// cluster.
type statusBook struct {
	files      *statusDirectory
	node       status.Node
	conditions map[Key][]metav1.Condition         // as they were last
	report     *v1alpha1.MulticastNodeStateStatus // in the node's file; nil: none yet
}

func newStatusBook(files *statusDirectory, n *corev1.Node) *statusBook {
	return &statusBook{files: files, node: status.NodeOf(n), conditions: map[Key][]metav1.Condition{}}
}

// earlier returns the node's report that an earlier agent has left, or nil.
func (b *statusBook) earlier() *v1alpha1.MulticastNodeStateStatus {
	text, err := b.files.read(nodeFile(b.node.Name))
	if err != nil {
		return nil
	}
	var state v1alpha1.MulticastNodeState
	if err := k8syaml.Unmarshal(text, &state); err != nil || state.Name != b.node.Name {
		return nil
	}
	return &state.Status
}

// write makes the files those of the objects, given the node's report.
func (b *statusBook) write(now time.Time, entries []*entry, report *v1alpha1.MulticastNodeStateStatus) error {
	files, err := b.files.begin()
	if err != nil {
		return err
	}
	var index status.Index
	index.Set(&v1alpha1.MulticastNodeState{ObjectMeta: metav1.ObjectMeta{Name: b.node.Name}, Status: *report}, now)
	conditions := make(map[Key][]metav1.Condition, len(entries))
	for _, e := range entries {
		known, ok := b.conditions[e.key]
		if !ok {
			known = b.earlierConditions(e.key)
		}
		s := b.summarise(e, known, &index, now)
		text, err := marshal(string(e.key.Kind), map[string]any{
			"namespace":  e.key.Namespace,
			"name":       e.key.Name,
			"uid":        string(e.key.uid()),
			"generation": e.generation,
		}, s.value)
		if err != nil {
			return err
		}
		files.put(statusFile(e.key), text)
		conditions[e.key] = s.conditions
	}
	b.conditions = conditions
	if err := b.writeReport(files, report); err != nil {
		return err
	}
	return files.end()
}

// writeReport writes the node's report. That there was another one is no reason to.
func (b *statusBook) writeReport(files *writing, report *v1alpha1.MulticastNodeStateStatus) error {
	if b.report != nil {
		same := *b.report
		same.ReportTime = report.ReportTime
		if equality.Semantic.DeepEqual(&same, report) {
			report = b.report
		}
	}
	name := nodeFile(b.node.Name)
	if report == b.report && files.keep(name) {
		return nil
	}
	text, err := marshalReport(b.node.Name, report)
	if err != nil {
		return err
	}
	files.put(name, text)
	b.report = report
	return nil
}

// summary is the status of a route or a group.
type summary struct {
	value      any // pointer to one
	conditions []metav1.Condition
}

func (b *statusBook) summarise(e *entry, known []metav1.Condition, index *status.Index, now time.Time) summary {
	m := metav1.ObjectMeta{Namespace: e.key.Namespace, Name: e.key.Name, UID: e.key.uid(), Generation: e.generation}
	nodes := []status.Node{b.node}
	if e.key.Kind == translate.GroupKind {
		var s v1alpha1.MulticastGroupStatus
		if e.good != nil {
			g := v1alpha1.MulticastGroup{ObjectMeta: m, Spec: e.good.group.Spec}
			s, _ = status.SummariseGroup(&g, nodes, index, now)
		}
		s.ObservedGeneration = e.generation
		s.Conditions = e.conditions(known, s.Conditions, now)
		return summary{&s, s.Conditions}
	}
	var s v1alpha1.MulticastRouteStatus
	if e.good != nil {
		r := v1alpha1.MulticastRoute{ObjectMeta: m, Spec: e.good.route.Spec}
		s, _ = status.SummariseRoute(&r, nodes, index, now)
	}
	s.ObservedGeneration = e.generation
	s.Conditions = e.conditions(known, s.Conditions, now)
	return summary{&s, s.Conditions}
}

// maxListed bounds how many problems a condition lists.
const maxListed = 3

// conditions are those of what is in effect, but for what is wrong in the file.
// The time of a transition is that of the known ones unless the status changes.
func (e *entry) conditions(known, effective []metav1.Condition, now time.Time) []metav1.Condition {
	if len(e.problems) > 0 {
		effective = append([]metav1.Condition{}, effective...)
		invalid := metav1.Condition{
			Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionFalse,
			Reason: v1alpha1.ReasonInvalid, Message: e.complaint(),
		}
		meta.SetStatusCondition(&effective, invalid)
		if e.good == nil {
			invalid.Type = v1alpha1.ConditionProgrammed
			meta.SetStatusCondition(&effective, invalid)
		}
	}
	conditions := append([]metav1.Condition{}, known...)
	for _, c := range effective {
		c.ObservedGeneration = e.generation
		c.LastTransitionTime = metav1.NewTime(now.UTC().Truncate(time.Second))
		meta.SetStatusCondition(&conditions, c)
	}
	return conditions
}

// complaint says what is wrong in the file, and what is in effect.
func (e *entry) complaint() string {
	var lines []string
	for i, p := range e.problems {
		if i == maxListed {
			lines = append(lines, fmt.Sprintf("and %d more", len(e.problems)-i))
			break
		}
		lines = append(lines, p.String())
	}
	if e.good != nil {
		lines = append(lines, fmt.Sprintf("the last good version, generation %d, stays in effect", e.generation))
	}
	return strings.Join(lines, "; ")
}

// earlierConditions returns those that an earlier agent has left.
func (b *statusBook) earlierConditions(key Key) []metav1.Condition {
	text, err := b.files.read(statusFile(key))
	if err != nil {
		return nil
	}
	var earlier struct {
		Metadata metav1.ObjectMeta `json:"metadata"`
		Status   struct {
			Conditions []metav1.Condition `json:"conditions"`
		} `json:"status"`
	}
	if err := k8syaml.Unmarshal(text, &earlier); err != nil || earlier.Metadata.UID != key.uid() {
		return nil
	}
	var conditions []metav1.Condition
	for _, name := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionProgrammed} {
		if c := meta.FindStatusCondition(earlier.Status.Conditions, name); c != nil {
			conditions = append(conditions, *c)
		}
	}
	return conditions
}
