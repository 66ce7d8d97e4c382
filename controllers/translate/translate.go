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

	// What may be another the next time, though the object is the same:

	age     time.Time
	fresh   bool       // it was worked out just now
	verdict *Rejection // because of what older objects want
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

// any reports whether there is something to program.
func (w want) any() bool {
	return len(w.joins) > 0 || slices.ContainsFunc(w.inputs, func(in input) bool { return !in.idle })
}

// size is how many rules and how many joins there are, as an object writes them.
func (w want) size() (rules, joins int) {
	for _, in := range w.inputs {
		rules += in.size()
	}
	for _, m := range w.joins {
		joins += m.size()
	}
	return rules, joins
}

// rejection is why the object is in no layer, or nil.
func (w *wish) rejection() *Rejection { return cmp.Or(w.object.Rejection, w.verdict) }

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

func invalid(err error) *Rejection {
	return &Rejection{Reason: v1alpha1.ReasonInvalid, Message: err.Error()}
}
