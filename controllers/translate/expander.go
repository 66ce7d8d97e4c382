package translate

import (
	"fmt"
	"iter"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// expander works out what objects want, each by itself.
type expander struct {
	in   *Input
	node labels.Set
	pods *podIndex                // nil: nobody has asked for pods yet
	at   map[mroute.IfPattern]int // room for outputs
}

func newExpander(in *Input) *expander {
	return &expander{in: in, node: in.labels(), at: make(map[mroute.IfPattern]int)}
}

// labels are those of the node.
func (in *Input) labels() labels.Set {
	if in.Node == nil {
		return nil
	}
	return in.Node.Labels
}

// expand works out what an object wants. If it has a selector that can't be read it counts as
// selecting the node, so that someone says what is wrong.
func (x *expander) expand(o apiObject) *wish {
	w := &wish{
		object: Object{
			Kind: o.kind, Namespace: o.meta.Namespace, Name: o.meta.Name,
			UID: string(o.meta.UID), Generation: o.meta.Generation,
		},
		selects: true,
	}
	if o.nodes() != nil {
		sel, err := metav1.LabelSelectorAsSelector(o.nodes())
		if err != nil {
			w.object.Rejection = invalid(fmt.Errorf("spec.nodeSelector: %w", err))
			return w
		}
		if w.selects = sel.Matches(x.node); !w.selects {
			return w
		}
	}
	if o.route != nil {
		w.object.Rejection = x.route(w, &o.route.Spec)
	} else {
		w.object.Rejection = x.group(w, &o.group.Spec)
	}
	if w.object.Rejection != nil {
		w.object.Problems, w.wants = nil, nil
	}
	w.object.Routers = routersOf(w.wants)
	w.measure()
	return w
}

// selected returns the pods of the object's namespace that are selected.
func (x *expander) selected(w *wish, s *metav1.LabelSelector) ([]*pod, error) {
	w.onPods = true
	if x.pods == nil {
		x.pods = newPodIndex(x.in.Pods)
	}
	return x.pods.selected(w.object.Namespace, s)
}

// apiObject is an object of one of the kinds.
type apiObject struct {
	kind  Kind
	meta  *metav1.ObjectMeta
	route *v1alpha1.MulticastRoute // or
	group *v1alpha1.MulticastGroup
}

func (o apiObject) nodes() *metav1.LabelSelector {
	if o.route != nil {
		return o.route.Spec.NodeSelector
	}
	return o.group.Spec.NodeSelector
}

// objects goes over those that are not being deleted.
func (in *Input) objects() iter.Seq[apiObject] {
	return func(yield func(apiObject) bool) {
		for i := range in.Routes {
			if r := &in.Routes[i]; r.DeletionTimestamp == nil && !yield(apiObject{kind: RouteKind, meta: &r.ObjectMeta, route: r}) {
				return
			}
		}
		for i := range in.Groups {
			if g := &in.Groups[i]; g.DeletionTimestamp == nil && !yield(apiObject{kind: GroupKind, meta: &g.ObjectMeta, group: g}) {
				return
			}
		}
	}
}
