package manifests

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// catalog is what the files say, over time.
type catalog struct {
	validator Validator
	files     []file
	parsed    map[string]contents // by name of the file
	entries   map[Key]*entry
	problems  []Problem // all of them, in order of file and line
	foreign   []string  // see contents
}

// entry is an object that is in the files, or was before they could not be
// read any more.
type entry struct {
	key        Key
	file       string
	line       int
	good       *object // as it was when it was good last; nil if it never was
	generation int64   // of good: counts the changes of its spec
	problems   []Problem
}

func newCatalog(v Validator) *catalog {
	return &catalog{validator: v, parsed: map[string]contents{}, entries: map[Key]*entry{}}
}

// update takes the files as they are now, and reports whether they differ from
// those of the last time.
func (c *catalog) update(files []file) bool {
	if c.files != nil && slices.EqualFunc(c.files, files, file.equal) {
		return false
	}
	parsed := map[string]contents{}
	for _, f := range files {
		switch i := slices.IndexFunc(c.files, f.equal); {
		case f.err != nil:
			parsed[f.name] = contents{strays: []Problem{{File: f.name, Message: f.err.Error()}}}
		case i >= 0:
			parsed[f.name] = c.parsed[f.name]
		default:
			parsed[f.name] = parse(c.validator, f.name, f.text)
		}
	}
	c.files, c.parsed = append([]file{}, files...), parsed
	c.problems, c.foreign = nil, nil

	declared := map[Key]declaration{}
	for _, f := range files {
		p := parsed[f.name]
		c.foreign = append(c.foreign, p.foreign...)
		c.problems = append(c.problems, p.strays...)
		for _, d := range p.declarations {
			if first, ok := declared[d.key]; ok {
				c.problems = append(c.problems, Problem{File: d.file, Line: d.line,
					Message: fmt.Sprintf("%s is at %s:%d already: this one does not count", d.key, first.file, first.line)})
				continue
			}
			declared[d.key] = d
			c.problems = append(c.problems, d.problems...)
		}
	}
	slices.SortFunc(c.problems, Problem.compare)
	for key, e := range c.entries {
		if _, ok := declared[key]; !ok && !c.keep(e) {
			delete(c.entries, key)
		}
	}
	for _, d := range declared {
		c.declare(d)
	}
	return true
}

// keep says what becomes of an object that is in no file now. If its file has a
// document that does not say what it is, that may be it.
func (c *catalog) keep(e *entry) bool {
	strays := c.parsed[e.file].strays
	if len(strays) == 0 || e.good == nil {
		return false
	}
	e.problems = []Problem{{File: e.file, Line: strays[0].Line,
		Message: fmt.Sprintf("%s was in this file, part of which cannot be read now: %s", e.key, strays[0].Message)}}
	return true
}

func (c *catalog) declare(d declaration) {
	e := c.entries[d.key]
	if e == nil {
		e = &entry{key: d.key, generation: 1}
		c.entries[d.key] = e
	}
	e.file, e.line, e.problems = d.file, d.line, d.problems
	if d.object == nil {
		return
	}
	if e.good != nil && !equality.Semantic.DeepEqual(e.good.spec(), d.object.spec()) {
		e.generation++
	}
	e.good = d.object
}

func (o *object) spec() any {
	if o.route != nil {
		return o.route.Spec
	}
	return o.group.Spec
}

// sorted returns the entries in the order of the files and their lines.
func (c *catalog) sorted() []*entry {
	return slices.SortedFunc(maps.Values(c.entries), func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line), a.key.Compare(b.key))
	})
}

// objects returns what is in effect: in each object the UID and the generation
// are set, and the time of creation, which decides between objects that
// conflict. That is the one in the file, as from "kubectl get -o yaml", or else
// earlier than any such, in the order of the files and their lines.
func (c *catalog) objects() (routes []v1alpha1.MulticastRoute, groups []v1alpha1.MulticastGroup) {
	for i, e := range c.sorted() {
		if e.good == nil {
			continue
		}
		stamp := func(meta *metav1.ObjectMeta) {
			meta.UID, meta.Generation = e.key.uid(), e.generation
			meta.DeletionTimestamp = nil // that of a cluster which the file comes from
			if meta.CreationTimestamp.IsZero() {
				meta.CreationTimestamp = metav1.Unix(int64(i)+1, 0)
			}
		}
		if e.good.route != nil {
			route := e.good.route.DeepCopy()
			stamp(&route.ObjectMeta)
			routes = append(routes, *route)
		} else {
			group := e.good.group.DeepCopy()
			stamp(&group.ObjectMeta)
			groups = append(groups, *group)
		}
	}
	return routes, groups
}
