package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Errors of [Intent.Edit], for errors.Is.
var (
	ErrNoRoute = errors.New("no such multicast route")
	ErrNoGroup = errors.New("no such group membership")
)

// edits is what clients changed on top of the layers: routes and memberships
// added, and those of the layers taken away. One change costs the same
// whatever else is there.
//
// What is added and what is taken away bears the number of its edit, since a
// removal concerns what was said before it: by the layers, whose number is 0,
// and by clients.
type edits struct {
	routes map[mroute.Match]changes // by masked match
	joins  map[joinRule]*joinEdit
	shapes shapes
	groups groups[*routeEdit]
	uses   map[mroute.IfPattern]*patternUse
	ways   map[way]*patternUse
	seq    int
}

type patternUse struct{ n, firstSeq int }

// routeEdit is what clients changed of the rules with one match on the links
// that its From names.
type routeEdit struct {
	route   mroute.Route // To: the outputs added
	to      []int        // when each output was added
	added   int          // when a rule of its own was added last; 0: there is none
	removed int          // up to when all that was said is taken away
	without []removal    // outputs that are taken away
}

// removal takes away outputs that were said before it.
type removal struct {
	pattern mroute.IfPattern
	seq     int
}

// changes are the edits of the rules with one match.
type changes []*routeEdit

// took reports whether what was said at since of the rule on the link was taken
// away later.
func (cs changes) took(link *mroute.Link, since int) bool {
	return slices.ContainsFunc(cs, func(c *routeEdit) bool { return c.removed > since && names(c.route.From, link) })
}

// tookOutput is took for an output.
func (cs changes) tookOutput(link, output *mroute.Link, since int) bool {
	return slices.ContainsFunc(cs, func(c *routeEdit) bool {
		return names(c.route.From, link) && (c.removed > since || slices.ContainsFunc(c.without, func(w removal) bool {
			return w.seq > since && names(w.pattern, output)
		}))
	})
}

// tookAll reports whether took is true for all links that from names, there or
// not.
func (cs changes) tookAll(from mroute.IfPattern, since int) bool {
	return slices.ContainsFunc(cs, func(c *routeEdit) bool { return c.removed > since && from.Within(c.route.From) })
}

// tookAllOutputs is tookAll for tookOutput.
func (cs changes) tookAllOutputs(from, output mroute.IfPattern, since int) bool {
	return slices.ContainsFunc(cs, func(c *routeEdit) bool {
		return from.Within(c.route.From) && (c.removed > since || slices.ContainsFunc(c.without, func(w removal) bool {
			return w.seq > since && output.Within(w.pattern)
		}))
	})
}

// scopes is the mask that clients gave the rule on the link last, if any.
func (cs changes) scopes(link *mroute.Link) mroute.ScopeMask {
	var s mroute.ScopeMask
	last := 0
	for _, c := range cs {
		if c.route.Scopes.Set && c.added > last && names(c.route.From, link) {
			last, s = c.added, c.route.Scopes
		}
	}
	return s
}

// names reports whether p names the link.
func names(p mroute.IfPattern, l *mroute.Link) bool { return p.Matches(l.Name, l.Index) }

type joinRule struct {
	pattern mroute.IfPattern
	match   mroute.Match
}

type joinEdit struct {
	join           mroute.Join
	added, removed bool
}

func newEdits() *edits {
	return &edits{
		routes: make(map[mroute.Match]changes),
		joins:  make(map[joinRule]*joinEdit),
		uses:   make(map[mroute.IfPattern]*patternUse),
		ways:   make(map[way]*patternUse),
	}
}

func (e *edits) empty() bool { return len(e.routes) == 0 && len(e.joins) == 0 }

func (e *edits) mention(p mroute.IfPattern) { mention(e.uses, p, e.seq) }

func (e *edits) forget(p mroute.IfPattern) { forget(e.uses, p) }

// mentionWay is mention for a rule's inbound pattern, whose to is "", or for one
// of its outputs.
func (e *edits) mentionWay(from, to mroute.IfPattern) {
	mention(e.uses, cmp.Or(to, from), e.seq)
	mention(e.ways, way{from, to}, e.seq)
}

func (e *edits) forgetWay(from, to mroute.IfPattern) {
	forget(e.uses, cmp.Or(to, from))
	forget(e.ways, way{from, to})
}

func mention[K comparable](uses map[K]*patternUse, k K, seq int) {
	u, ok := uses[k]
	if !ok {
		u = &patternUse{firstSeq: seq}
		uses[k] = u
	}
	u.n++
}

func forget[K comparable](uses map[K]*patternUse, k K) {
	if u := uses[k]; u != nil {
		if u.n--; u.n == 0 {
			delete(uses, k)
		}
	}
}

// find returns the edit with that very pattern, making one if need be.
func (e *edits) find(r mroute.Route) *routeEdit {
	m := masked(r.Match)
	for _, c := range e.routes[m] {
		if c.route.From == r.From {
			return c
		}
	}
	c := &routeEdit{route: mroute.Route{From: r.From, Match: r.Match, Origin: r.Origin}}
	c.route.Origin.Seq = e.seq
	e.routes[m] = append(e.routes[m], c)
	return c
}

// drop removes the edits of a match that no longer say anything.
func (e *edits) drop(m mroute.Match) {
	rest := slices.DeleteFunc(e.routes[m], func(c *routeEdit) bool {
		return c.added == 0 && c.removed == 0 && len(c.without) == 0
	})
	if len(rest) == 0 {
		delete(e.routes, m)
	} else {
		e.routes[m] = rest
	}
}

func (e *edits) addRoute(r mroute.Route) {
	e.seq++
	c := e.find(r)
	e.groups.remove(&c.route, c)
	defer e.groups.add(&c.route, c)
	if c.added == 0 {
		e.mentionWay(r.From, "")
		if !r.Match.IsExact() {
			e.shapes.add(shapeOf(masked(r.Match)))
		}
	}
	c.added = e.seq
	if r.Scopes.Set {
		c.route.Scopes = r.Scopes
	}
	if len(r.Except) > 0 {
		c.route.Except = r.Except
	}
	if r.AnySource != mroute.LearnSources {
		c.route.AnySource = r.AnySource
	}
	if r.MaxFlows != 0 {
		c.route.MaxFlows = r.MaxFlows
	}
	for _, o := range r.To {
		i := slices.IndexFunc(c.route.To, func(have mroute.Output) bool { return have.If == o.If })
		if i < 0 {
			i = len(c.route.To)
			c.route.To = append(c.route.To, o)
			c.to = append(c.to, 0)
			e.mentionWay(r.From, o.If)
		}
		c.to[i] = e.seq
	}
}

// unadd takes back the rule that c added.
func (e *edits) unadd(c *routeEdit) {
	if c.added == 0 {
		return
	}
	c.added = 0
	e.groups.remove(&c.route, c)
	e.forgetWay(c.route.From, "")
	for _, o := range c.route.To {
		e.forgetWay(c.route.From, o.If)
	}
	c.route.To, c.to = nil, nil
	c.route.Scopes = mroute.ScopeMask{}
	c.route.Except = nil
	c.route.AnySource, c.route.MaxFlows = mroute.LearnSources, 0
	if !c.route.Match.IsExact() {
		e.shapes.remove(shapeOf(masked(c.route.Match)))
	}
}

// unaddOutput takes back the i-th output that c added.
func (e *edits) unaddOutput(c *routeEdit, i int) {
	e.forgetWay(c.route.From, c.route.To[i].If)
	c.route.To = slices.Delete(c.route.To, i, i+1)
	c.to = slices.Delete(c.to, i, i+1)
}

func (e *edits) addJoin(j mroute.Join) {
	k := joinRule{j.If, masked(j.Match)}
	c := e.joins[k]
	if c == nil {
		c = &joinEdit{}
		e.joins[k] = c
	}
	if !c.added {
		e.seq++
		c.added, c.join = true, j
		c.join.Origin.Seq = e.seq
		e.mention(j.If)
	}
}

func (e *edits) removeJoin(j mroute.Join, inLayer bool) {
	k := joinRule{j.If, masked(j.Match)}
	c := e.joins[k]
	if c == nil {
		c = &joinEdit{join: j}
		e.joins[k] = c
	}
	if c.added {
		c.added = false
		e.forget(j.If)
	}
	if c.removed = c.removed || inLayer; !c.removed {
		delete(e.joins, k)
	}
}

// Edit applies one change of a client. It fails, and changes nothing, if what
// should be removed is not there: [ErrNoRoute], [ErrNoGroup].
//
// A removal names interfaces on both sides: what is said of more of them stays
// for the others, so that "remove eth0" leaves a rule of eth+ to eth1.
func (in *Intent) Edit(ed mroute.Edit) error {
	switch ed.Kind {
	case mroute.AddRoute:
		in.edits.addRoute(ed.Route)
	case mroute.AddJoin:
		in.edits.addJoin(ed.Join)
	case mroute.RemoveRoute:
		return in.removeRoute(ed.Route)
	case mroute.RemoveJoin:
		return in.removeJoin(ed.Join)
	}
	return nil
}

func (in *Intent) removeRoute(r mroute.Route) error {
	said := in.said(r)
	if len(said) == 0 {
		return fmt.Errorf("%w: %v from %s", ErrNoRoute, r.Match, r.From)
	}
	if len(r.To) == 0 {
		in.edits.removeRule(r, said)
		return nil
	}
	cs := in.edits.routes[masked(r.Match)]
	for _, o := range r.To {
		if !slices.ContainsFunc(said, func(s statement) bool { return s.has(cs, o.If) }) {
			return fmt.Errorf("%w: %v from %s has no outbound interface %s", ErrNoRoute, r.Match, r.From, o.If)
		}
	}
	in.edits.removeOutputs(r, said)
	return nil
}

// statement is a rule in effect, in so far as a removal concerns it.
type statement struct {
	route *mroute.Route
	from  mroute.IfPattern // the links concerned
	edit  *routeEdit       // that added it; nil: a layer's
}

// said returns the rules in effect with r's match that hold on links which
// r.From names.
func (in *Intent) said(r mroute.Route) []statement {
	m := masked(r.Match)
	cs := in.edits.routes[m]
	var all []statement
	for _, x := range in.layers {
		x.chain(m, func(_ int32, lr *mroute.Route) bool {
			if from, ok := lr.From.Common(r.From); ok && !cs.tookAll(from, 0) {
				all = append(all, statement{lr, from, nil})
			}
			return true
		})
	}
	for _, c := range cs {
		if from, ok := c.route.From.Common(r.From); ok && c.added > 0 && !cs.tookAll(from, c.added) {
			all = append(all, statement{&c.route, from, c})
		}
	}
	return all
}

// has reports whether the rule has an output in effect that p names, or that
// names p.
func (s statement) has(cs changes, p mroute.IfPattern) bool {
	for i, o := range s.route.To {
		since := 0
		if s.edit != nil {
			since = s.edit.to[i]
		}
		if both, ok := o.If.Common(p); ok && !cs.tookAllOutputs(s.from, both, since) {
			return true
		}
	}
	return false
}

// removeRule takes rules away on the links that r.From names.
func (e *edits) removeRule(r mroute.Route, said []statement) {
	e.seq++
	rest := false
	for _, s := range said {
		if s.edit != nil && s.edit.route.From.Within(r.From) {
			e.unadd(s.edit)
		} else {
			rest = true
		}
	}
	if rest {
		c := e.find(r)
		c.removed, c.without = e.seq, nil
	}
	e.drop(masked(r.Match))
}

// removeOutputs takes r.To away on the links that r.From names.
func (e *edits) removeOutputs(r mroute.Route, said []statement) {
	e.seq++
	for _, out := range r.To {
		rest := false
		for _, s := range said {
			whole := s.edit != nil && s.edit.route.From.Within(r.From)
			for i := len(s.route.To) - 1; i >= 0; i-- {
				o := s.route.To[i].If
				switch _, concerned := o.Common(out.If); {
				case !concerned:
				case whole && o.Within(out.If):
					e.unaddOutput(s.edit, i)
				default:
					rest = true
				}
			}
		}
		if rest {
			c := e.find(r)
			c.without = slices.DeleteFunc(c.without, func(w removal) bool { return w.pattern == out.If })
			c.without = append(c.without, removal{out.If, e.seq})
		}
	}
}

func (in *Intent) removeJoin(j mroute.Join) error {
	k := joinRule{j.If, masked(j.Match)}
	c := in.edits.joins[k]
	inLayer := false
	if c == nil || !c.removed {
		for _, x := range in.layers {
			for o := range x.layer.AllJoins() {
				inLayer = inLayer || o.If == j.If && masked(o.Match) == k.match
			}
		}
	}
	if !inLayer && (c == nil || !c.added) {
		return fmt.Errorf("%w: %v on %s", ErrNoGroup, j.Match, j.If)
	}
	in.edits.removeJoin(j, inLayer)
	return nil
}
