package mroute

import (
	"iter"
	"math"
	"net/netip"
	"slices"
	"strconv"
)

// Layer is everything that one source of intent wants: a configuration file,
// the smcroutectl client, or Kubernetes. A source replaces its layer, it never
// patches it. A Layer is immutable once handed over.
type Layer struct {
	Name    string
	Phyints []Phyint
	Routes  []Route
	Joins   []Join

	// Parts are more rules and memberships, behind those of Routes and Joins in order of
	// Origin.Seq. They are for a source of very many of which few change at a time: a part
	// that was in the layer before, too, is not looked at again.
	Parts []*Part

	// FirstMatch says how the templates of this layer overlap. Set: the first
	// in order that covers a flow gives all its outputs, as in smcroute.conf.
	// Clear: the outputs of all that cover it are united.
	FirstMatch bool
}

// Part is rules and memberships of a layer that come and go together, as those of one
// object. It is immutable like the layer. The numbers of parts, Origin.Seq, do not
// overlap, and ascend within.
type Part struct {
	Routes []Route
	Joins  []Join
}

// AllRoutes goes over all rules, those of parts included, in order.
func (l *Layer) AllRoutes() iter.Seq[*Route] {
	return inAll(l.Routes, l.Parts, func(p *Part) []Route { return p.Routes })
}

// AllJoins goes over all memberships, those of parts included, in order.
func (l *Layer) AllJoins() iter.Seq[*Join] {
	return inAll(l.Joins, l.Parts, func(p *Part) []Join { return p.Joins })
}

func inAll[T any](own []T, parts []*Part, of func(*Part) []T) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for i := range own {
			if !yield(&own[i]) {
				return
			}
		}
		for _, p := range parts {
			for list, i := of(p), 0; i < len(list); i++ {
				if !yield(&list[i]) {
					return
				}
			}
		}
	}
}

// Size is how many rules there are, those of parts included.
func (l *Layer) Size() int {
	n := len(l.Routes)
	for _, p := range l.Parts {
		n += len(p.Routes)
	}
	return n
}

// Since tells which parts l has that the layer before did not have, and the other way
// round. It takes them to be in order.
func (l *Layer) Since(before *Layer) (come, gone []*Part) {
	old, now := before.Parts, l.Parts
	// Most are as before, and there may be thousands.
	start := 0
	for start < min(len(old), len(now)) && old[start] == now[start] {
		start++
	}
	old, now = old[start:], now[start:]
	end := 0 // counted from the ends
	for end < min(len(old), len(now)) && old[len(old)-1-end] == now[len(now)-1-end] {
		end++
	}
	old, now = old[:len(old)-end], now[:len(now)-end]
	for len(old)+len(now) > 0 {
		switch {
		case len(old) > 0 && len(now) > 0 && old[0] == now[0]:
			old, now = old[1:], now[1:]
		case len(now) == 0 || len(old) > 0 && old[0].First() <= now[0].First():
			gone, old = append(gone, old[0]), old[1:]
		default:
			come, now = append(come, now[0]), now[1:]
		}
	}
	return come, gone
}

// First is the least of the part's numbers: no other part of a layer has the same.
func (p *Part) First() int {
	first := math.MaxInt
	if len(p.Routes) > 0 {
		first = p.Routes[0].Origin.Seq
	}
	if len(p.Joins) > 0 {
		first = min(first, p.Joins[0].Origin.Seq)
	}
	return first
}

// Equal reports whether l and o are the same, origins included. Parts are the same only if
// they are one.
func (l *Layer) Equal(o *Layer) bool {
	return l.Name == o.Name && l.FirstMatch == o.FirstMatch && slices.Equal(l.Parts, o.Parts) && slices.Equal(l.Phyints, o.Phyints) && slices.Equal(l.Joins, o.Joins) &&
		len(l.Routes) == len(o.Routes) && slices.EqualFunc(l.Routes, o.Routes, func(a, b Route) bool {
		return a.Origin == b.Origin && a.Same(&b)
	})
}

// Route is a rule: packets that arrive on From and fall under Match leave
// through To. Without To it is a stop rule.
type Route struct {
	From   IfPattern
	Match  Match
	Except []netip.Prefix // sources never learned by this rule
	Scopes ScopeMask      // only with a Match of any source and group, (*,*)
	To     []Output
	Origin Origin

	// AnySource is how packets of any source are forwarded. It says something of
	// rules for any source of one group, (*,G), without Except: all others learn.
	AnySource AnySource

	// MaxFlows is how many entries learned by this rule there may be at a time;
	// 0: as many as the router may have.
	MaxFlows int
}

// Same reports whether r and o say the same, wherever they come from.
func (r *Route) Same(o *Route) bool {
	return r.From == o.From && r.Match == o.Match && r.Scopes == o.Scopes && r.AnySource == o.AnySource && r.MaxFlows == o.MaxFlows &&
		slices.Equal(r.To, o.To) && slices.Equal(r.Except, o.Except)
}

// AnySource is how a (*,G) rule forwards.
type AnySource uint8

const (
	// LearnSources makes an (S,G) entry for each source when its first packet
	// arrives, which counts apart.
	LearnSources AnySource = iota
	// NativeSources has one (*,G) entry in the kernel, which forwards the first
	// packet like all others, and counts all sources together.
	NativeSources
	// PreferNative is NativeSources where the kernel's entry can say what the rule
	// does, with one inbound interface, and LearnSources elsewhere.
	PreferNative
)

// Output is an interface through which a rule's packets leave.
type Output struct {
	If        IfPattern
	Threshold Threshold // 0: what the interface's Phyint says, or else 1
}

// Join is group membership (IGMP, MLD) on the matching interfaces. Prefixes
// stand for each of their addresses.
type Join struct {
	If     IfPattern
	Match  Match
	Origin Origin
}

// PhyintState says what a phyint line wants of its interface.
type PhyintState uint8

const (
	// PhyintEnabled asks for a VIF even if no rule names the interface.
	PhyintEnabled PhyintState = iota
	// PhyintDisabled asks for none, and undoes what lines before it in the
	// same layer say of the interface; lines after it count.
	PhyintDisabled
)

// Phyint sets properties of the matching interfaces.
type Phyint struct {
	If        IfPattern
	State     PhyintState
	MRDisc    bool      // send multicast router advertisements (RFC 4286)
	Threshold Threshold // of the interface as an output; 0: not said
	Origin    Origin
}

// Origin tells where an intent comes from, for messages and status.
type Origin struct {
	Ref        string // file, "client", or kind and namespace/name of an object
	Line       int    // line in the file, from 1; 0 if it is no file
	Seq        int    // position in its layer: order of precedence
	Generation int64  // of the object, if it is one
}

// String returns "file:line", "MulticastRoute namespace/name@generation", or just Ref.
func (o Origin) String() string {
	switch {
	case o.Line > 0:
		return o.Ref + ":" + strconv.Itoa(o.Line)
	case o.Generation > 0:
		return o.Ref + "@" + strconv.FormatInt(o.Generation, 10)
	}
	return o.Ref
}
