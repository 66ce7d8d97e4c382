package translate

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Translator is [Translate] for one Input after the other, where most is usually as before:
// it works out anew what has changed, and who is concerned by that. Of objects with one UID it
// takes those of the same generation for the same (Kubernetes API conventions,
// metadata.generation). The zero value knows nothing yet.
//
// What it is given and what it returns must not be changed. It keeps some of both.
type Translator struct {
	in     Input        // without routes and groups
	round  int          // counts the Inputs
	known  map[id]*wish // nil: nothing
	byAge  []*wish      // those that select the node
	byName []*wish      // the same
	united map[Router]*mroute.Part
	last   Result
}

// seldom is what few things are: one of so many, or fewer. Of these it is worth to know which
// they are.
const seldom = 8

// id tells an object from others.
type id struct {
	kind            Kind
	namespace, name string
}

// Translate returns what the Translate of this package does. If nothing has changed it is the
// very Result of the last time.
func (t *Translator) Translate(in Input) Result {
	node, pods := t.changes(in)
	known := t.known
	t.known = nil // if this breaks off
	t.round++
	x := newExpander(&in)
	same := known != nil
	if known == nil {
		known = make(map[id]*wish)
	}
	objects, moved := 0, false
	var fresh []*wish // that select the node
	for o := range in.objects() {
		objects++
		key := id{o.kind, o.meta.Namespace, o.meta.Name}
		age := o.meta.CreationTimestamp.Time
		w := known[key]
		if w == nil || w.object.UID == "" || w.object.UID != string(o.meta.UID) || w.object.Generation != o.meta.Generation ||
			node && o.nodes() != nil || pods && w.onPods {
			w = x.expand(o)
			w.born, w.age, known[key], same = t.round, age, w, false
			if w.selects {
				fresh = append(fresh, w)
			}
		}
		if !w.age.Equal(age) {
			w.age, moved = age, true
		}
		w.round = t.round
	}
	if len(known) > objects {
		maps.DeleteFunc(known, func(_ id, w *wish) bool { return w.round != t.round })
		same = false
	}
	if !same || moved {
		t.byAge, t.byName = t.join(t.byAge, fresh, moved, byAge), t.join(t.byName, fresh, false, byKind)
		x.judge(t.byAge, t.round)
		t.last = Result{Layers: t.layers(in.MainTable), Objects: t.objects()}
	}
	t.in, t.known = in, known
	t.in.Routes, t.in.Groups = nil, nil
	return t.last
}

// join brings fresh ones to those of a list that are still there, and in order but if they moved.
func (t *Translator) join(list, fresh []*wish, moved bool, compare func(a, b *wish) int) []*wish {
	list = slices.DeleteFunc(list, func(w *wish) bool { return w.round != t.round })
	if moved || len(fresh)*seldom > len(list) {
		list = append(list, fresh...)
		slices.SortFunc(list, compare)
		return list
	}
	for _, w := range fresh {
		at, _ := slices.BinarySearchFunc(list, w, compare)
		list = slices.Insert(list, at, w)
	}
	return list
}

// changes reports whether the node's labels or its pods are other ones than before. If anything else
// is that objects may depend on, nothing is known any more.
func (t *Translator) changes(in Input) (node, pods bool) {
	if in.MainTable != t.in.MainTable || in.PodNetworkNamespaces != t.in.PodNetworkNamespaces || !slices.Equal(in.HostNamespaces, t.in.HostNamespaces) {
		t.known = nil
	}
	if t.known == nil {
		t.byAge, t.byName, t.united = nil, nil, make(map[Router]*mroute.Part)
		return true, true
	}
	return !maps.Equal(in.labels(), t.in.labels()), !slices.EqualFunc(in.Pods, t.in.Pods, samePod)
}

func samePod(a, b Pod) bool {
	return a.Namespace == b.Namespace && a.Name == b.Name && a.UID == b.UID && maps.Equal(a.Labels, b.Labels) &&
		a.HostNetwork == b.HostNetwork && a.Leaving == b.Leaving && slices.Equal(a.IPs, b.IPs) && maps.Equal(a.Links, b.Links) && a.Why == b.Why
}

// judge rejects those whose claims or whose size others do not leave room for. They come in order of
// precedence.
func (x *expander) judge(ws []*wish, round int) {
	cs := newClaims(ws, round)
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

// objects tells what came of each.
func (t *Translator) objects() []Object {
	objects := make([]Object, 0, len(t.byName))
	for _, w := range t.byName {
		o := w.object
		if w.verdict != nil {
			o.Rejection, o.Problems, o.Routers = w.verdict, nil, nil
		}
		objects = append(objects, o)
	}
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
