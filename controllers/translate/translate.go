package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// Translate works out what the routers of the node should do. An object that
// can't be honoured is rejected and changes nothing for the others.
func Translate(in Input) Result {
	t := translator{in: in, pods: newPodIndex(in.Pods), at: make(map[mroute.IfPattern]int)}
	if in.Node != nil {
		t.node = in.Node.Labels
	}
	ws := t.wishes()
	slices.SortFunc(ws, byAge)
	claims := make(claims)
	quotas := make(quotas)
	b := newLayers(in.MainTable, t.expected)
	for _, w := range ws {
		if w.object.Rejection == nil {
			w.object.Rejection = w.expand()
		}
		if w.object.Rejection == nil {
			w.object.Rejection = claims.conflict(w)
		}
		if w.object.Rejection == nil && !t.hostPermitted(w.object.Namespace) {
			w.object.Rejection = quotas.exceeded(w)
		}
		if w.object.Rejection != nil {
			w.object.Problems = nil
		} else {
			claims.add(w)
			b.add(w)
		}
		w.wants = nil // of all objects at a time they would take much memory
	}
	return Result{Layers: b.finish(), Objects: results(ws)}
}

// translator holds what does not change from object to object.
type translator struct {
	in   Input
	node labels.Set
	pods podIndex
	at   map[mroute.IfPattern]int // room for outputs

	expected int // rules on the node, as far as that is seen at once
}

// wish is an object that selects the node, and what it wants here.
type wish struct {
	object Object
	age    time.Time
	expand func() *Rejection // fills in wants and the object's problems, or says why not
	wants  []want            // by router
}

// want is what an object wants of one router. Several routers may share its
// slices.
type want struct {
	router Router
	inputs []input
	joins  []mroute.Join // without Origin
}

// input is a rule for each of matches.
type input struct {
	from    mroute.IfPattern
	matches []mroute.Match
	to      []mroute.Output
	any     mroute.AnySource
	most    int  // flows learned by each
	idle    bool // it has outputs, but none of them is here: not a stop rule
}

// wishes finds the objects that select the node.
func (t *translator) wishes() []*wish {
	ws := make([]*wish, 0, len(t.in.Routes)+len(t.in.Groups))
	for i := range t.in.Routes {
		r := &t.in.Routes[i]
		if w := t.wish(RouteKind, &r.ObjectMeta, r.Spec.NodeSelector); w != nil {
			w.expand = func() *Rejection { return t.route(w, &r.Spec) }
			if r.Spec.NetworkNamespace.Type != v1alpha1.PodNamespace {
				t.expected += min(MaxRules, len(r.Spec.Groups)*max(1, len(r.Spec.Sources)))
			}
			ws = append(ws, w)
		}
	}
	for i := range t.in.Groups {
		g := &t.in.Groups[i]
		if w := t.wish(GroupKind, &g.ObjectMeta, g.Spec.NodeSelector); w != nil {
			w.expand = func() *Rejection { return t.group(w, &g.Spec) }
			ws = append(ws, w)
		}
	}
	return ws
}

// wish is nil for an object that does not select the node, or is being deleted.
// One whose selector can't be read counts as selecting it, so that someone says
// what is wrong.
func (t *translator) wish(kind Kind, meta *metav1.ObjectMeta, nodes *metav1.LabelSelector) *wish {
	if meta.DeletionTimestamp != nil {
		return nil
	}
	w := &wish{
		object: Object{
			Kind: kind, Namespace: meta.Namespace, Name: meta.Name,
			UID: string(meta.UID), Generation: meta.Generation,
		},
		age: meta.CreationTimestamp.Time,
	}
	if nodes == nil {
		return w
	}
	sel, err := metav1.LabelSelectorAsSelector(nodes)
	switch {
	case err != nil:
		w.object.Rejection = invalid(fmt.Errorf("spec.nodeSelector: %w", err))
	case !sel.Matches(t.node):
		return nil
	}
	return w
}

// byAge is the order of precedence: the oldest first.
func byAge(a, b *wish) int {
	return cmp.Or(a.age.Compare(b.age), byName(a, b))
}

func byName(a, b *wish) int {
	return cmp.Or(
		strings.Compare(a.object.Namespace, b.object.Namespace),
		strings.Compare(a.object.Name, b.object.Name),
		cmp.Compare(a.object.Kind, b.object.Kind),
	)
}

func results(ws []*wish) []Object {
	objects := make([]Object, 0, len(ws))
	for _, w := range ws {
		objects = append(objects, w.object)
	}
	slices.SortFunc(objects, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return objects
}

func invalid(err error) *Rejection {
	return &Rejection{Reason: v1alpha1.ReasonInvalid, Message: err.Error()}
}
