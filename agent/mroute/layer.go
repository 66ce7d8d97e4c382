package mroute

import (
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

	// FirstMatch says how the templates of this layer overlap. Set: the first
	// in order that covers a flow gives all its outputs, as in smcroute.conf.
	// Clear: the outputs of all that cover it are united.
	FirstMatch bool
}

// Equal reports whether l and o are the same, origins included.
func (l *Layer) Equal(o *Layer) bool {
	return l.Name == o.Name && l.FirstMatch == o.FirstMatch && slices.Equal(l.Phyints, o.Phyints) && slices.Equal(l.Joins, o.Joins) &&
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
