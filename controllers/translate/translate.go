package translate

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// Translate works out what the routers of the node should do. An object that
// can't be honoured is rejected and changes nothing for the others.
func Translate(in Input) Result { return new(Translator).Translate(in) }

// wish is an object, and what it wants on the node. Where nothing that it depends on
// changes it holds from one Input to the next.
type wish struct {
	object  Object // Rejection: why it can't be honoured whatever others want
	selects bool   // the node; if not, nothing else is said
	wants   []want // by router
	onPods  bool   // it depends on what pods there are
	born    int    // round in which it was worked out

	groups    span // of its rules
	templates bool // it has such rules
	rules     int  // how many there are, in all routers
	size      int  // how many rules and joins there are at most in one

	// What may be another the next time, though the object is the same:

	age     time.Time
	round   int        // of the translator, when the object was there last
	verdict *Rejection // because of what older objects want
	first   int        // number of its first rule; 0: it has none yet
	parts   []partOf   // nil: there are none yet
}

// measure fills in what follows from the wants.
func (w *wish) measure() {
	for _, want := range w.wants {
		rules, joins := 0, 0
		for _, in := range want.inputs {
			rules += in.size()
			w.templates = w.templates || !in.exact()
			for _, g := range in.groups {
				w.groups.add(g)
			}
		}
		for _, m := range want.joins {
			joins += m.size()
		}
		w.rules += rules
		w.size = max(w.size, rules+joins)
	}
}

// want is what an object wants of one router. Several routers may share its
// slices.
type want struct {
	router Router
	inputs []input
	joins  []membership
}

// input is a rule for each match of a product.
type input struct {
	from mroute.IfPattern
	product
	to   []mroute.Output
	any  mroute.AnySource
	most int  // flows learned by each
	idle bool // it has outputs, but none of them is here: not a stop rule
}

// membership is a join for each match of a product.
type membership struct {
	on mroute.IfPattern
	product
}

// product is each of sources with each of groups: in an object there may be very many
// pairs of few.
type product struct{ sources, groups []netip.Prefix }

func (p product) size() int { return len(p.sources) * len(p.groups) }

func (p product) all() iter.Seq[mroute.Match] {
	return func(yield func(mroute.Match) bool) {
		for _, s := range p.sources {
			for _, g := range p.groups {
				if !yield(mroute.Match{Source: s, Group: g}) {
					return
				}
			}
		}
	}
}

// exact reports whether all matches are.
func (p product) exact() bool {
	isSingle := func(p netip.Prefix) bool { return p.IsValid() && p.IsSingleIP() }
	return !slices.ContainsFunc(slices.Concat(p.sources, p.groups), func(p netip.Prefix) bool { return !isSingle(p) })
}

// any reports whether there is something to program.
func (w want) any() bool {
	return len(w.joins) > 0 || slices.ContainsFunc(w.inputs, func(in input) bool { return !in.idle })
}

// rejected reports whether the object is in no layer.
func (w *wish) rejected() bool { return w.object.Rejection != nil || w.verdict != nil }

// byAge is the order of precedence: the oldest first.
func byAge(a, b *wish) int {
	return cmp.Or(a.age.Compare(b.age), byName(a, b))
}

// byKind is the order in which objects are told of.
func byKind(a, b *wish) int {
	return cmp.Or(cmp.Compare(a.object.Kind, b.object.Kind), byName(a, b))
}

func byName(a, b *wish) int {
	return cmp.Or(
		strings.Compare(a.object.Namespace, b.object.Namespace),
		strings.Compare(a.object.Name, b.object.Name),
		cmp.Compare(a.object.Kind, b.object.Kind),
	)
}

func invalid(err error) *Rejection {
	return &Rejection{Reason: v1alpha1.ReasonInvalid, Message: err.Error()}
}
