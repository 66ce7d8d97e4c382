package translate

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Translator is [Translate] for one Input after the other, where most is usually as before:
// it works out anew what has changed, and who is concerned by that. Of objects with one UID it
// takes those of the same generation for the same (Kubernetes API conventions,
// metadata.generation). The zero value knows nothing yet.
//
// What it is given and what it returns must not be changed. It keeps some of both.
type Translator struct {
	in    Input
	known map[id]*wish // nil: nothing
	last  Result
}

// id tells an object from others.
type id struct {
	kind            Kind
	namespace, name string
}

// Translate returns what the Translate of this package does. If nothing has changed it is the
// very Result of the last time.
func (t *Translator) Translate(in Input) Result {
	node, pods := t.changes(in)
	before := t.known
	t.known = nil // if this breaks off
	x := newExpander(&in)
	known := make(map[id]*wish, len(before))
	same := before != nil
	var ws []*wish
	for _, o := range in.objects() {
		key := id{o.kind, o.meta.Namespace, o.meta.Name}
		w := before[key]
		fresh := w == nil || w.object.UID == "" || w.object.UID != string(o.meta.UID) || w.object.Generation != o.meta.Generation ||
			node && o.nodes() != nil || pods && w.onPods
		if fresh {
			w = x.expand(o)
		}
		same = same && !fresh && w.age.Equal(o.meta.CreationTimestamp.Time)
		w.fresh, w.age = fresh, o.meta.CreationTimestamp.Time
		known[key] = w
		if w.selects {
			ws = append(ws, w)
		}
	}
	if !same || len(known) != len(before) {
		slices.SortFunc(ws, byAge)
		x.judge(ws)
		t.last = Result{Layers: layersOf(in.MainTable, ws), Objects: results(ws)}
	}
	t.in, t.known = in, known
	return t.last
}

// changes reports whether the node's labels or its pods are other ones than before. If anything else
// is that objects may depend on, nothing is known any more.
func (t *Translator) changes(in Input) (node, pods bool) {
	if in.MainTable != t.in.MainTable || in.PodNetworkNamespaces != t.in.PodNetworkNamespaces || !slices.Equal(in.HostNamespaces, t.in.HostNamespaces) {
		t.known = nil
	}
	if t.known == nil {
		return true, true
	}
	return !maps.Equal(newExpander(&in).node, newExpander(&t.in).node), !slices.EqualFunc(in.Pods, t.in.Pods, samePod)
}

func samePod(a, b Pod) bool {
	return a.Namespace == b.Namespace && a.Name == b.Name && a.UID == b.UID && maps.Equal(a.Labels, b.Labels) &&
		a.HostNetwork == b.HostNetwork && a.Leaving == b.Leaving && slices.Equal(a.IPs, b.IPs) && maps.Equal(a.Links, b.Links) && a.Why == b.Why
}

// judge rejects those whose claims or whose size others do not leave room for. They come in order of
// precedence.
func (x *expander) judge(ws []*wish) {
	cs := newClaims(ws)
	quotas := make(quotas)
	for _, w := range ws {
		w.verdict = nil
		if w.object.Rejection != nil {
			continue
		}
		w.verdict = cs.conflict(w)
		if w.verdict == nil && !x.hostPermitted(w.object.Namespace) {
			w.verdict = quotas.exceeded(w)
		}
		if w.verdict == nil {
			cs.add(w)
		}
	}
}

func results(ws []*wish) []Object {
	objects := make([]Object, 0, len(ws))
	for _, w := range ws {
		o := w.object
		if w.verdict != nil {
			o.Rejection, o.Problems, o.Routers = w.verdict, nil, nil
		}
		objects = append(objects, o)
	}
	slices.SortFunc(objects, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return objects
}

// routersOf are the routers of wants that are not idle, in order.
func routersOf(wants []want) (rs []Router) {
	for _, w := range wants {
		if w.any() {
			rs = append(rs, w.router)
		}
	}
	slices.SortFunc(rs, func(a, b Router) int {
		return cmp.Or(strings.Compare(a.PodUID, b.PodUID), cmp.Compare(a.Table, b.Table))
	})
	return rs
}
