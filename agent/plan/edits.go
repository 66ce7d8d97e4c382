package plan

import (
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
type edits struct {
	routes map[mroute.Match][]*routeEdit // by masked match
	joins  map[joinRule]*joinEdit
	shapes shapes
	uses   map[mroute.IfPattern]*patternUse
	seq    int
}

type patternUse struct{ n, firstSeq int }

// routeEdit is what clients changed of the rule with one From and match.
type routeEdit struct {
	route   mroute.Route // To: the outputs added
	added   bool         // a rule of its own, not just a change to a layer's
	removed bool         // the layers' rule is gone
	without []mroute.IfPattern
}

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
		routes: make(map[mroute.Match][]*routeEdit),
		joins:  make(map[joinRule]*joinEdit),
		uses:   make(map[mroute.IfPattern]*patternUse),
	}
}

func (e *edits) empty() bool { return len(e.routes) == 0 && len(e.joins) == 0 }

// on returns what was changed of rules with match m on the named link.
func (e *edits) on(m mroute.Match, link string) *routeEdit {
	for _, c := range e.routes[m] {
		if c.route.From.Matches(link) {
			return c
		}
	}
	return nil
}

func (e *edits) mention(p mroute.IfPattern) {
	u, ok := e.uses[p]
	if !ok {
		u = &patternUse{firstSeq: e.seq}
		e.uses[p] = u
	}
	u.n++
}

func (e *edits) forget(p mroute.IfPattern) {
	if u := e.uses[p]; u != nil {
		if u.n--; u.n == 0 {
			delete(e.uses, p)
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
	e.seq++
	c := &routeEdit{route: mroute.Route{From: r.From, Match: r.Match, Origin: r.Origin}}
	c.route.Origin.Seq = e.seq
	e.routes[m] = append(e.routes[m], c)
	return c
}

// drop removes an edit that no longer says anything.
func (e *edits) drop(c *routeEdit) {
	if c.added || c.removed || len(c.without) > 0 {
		return
	}
	m := masked(c.route.Match)
	rest := slices.DeleteFunc(e.routes[m], func(o *routeEdit) bool { return o == c })
	if len(rest) == 0 {
		delete(e.routes, m)
	} else {
		e.routes[m] = rest
	}
}

func (e *edits) addRoute(r mroute.Route) {
	c := e.find(r)
	if !c.added {
		c.added = true
		e.mention(r.From)
		if !r.Match.IsExact() {
			e.shapes.add(shapeOf(masked(r.Match)))
		}
	}
	if r.Scopes.Set {
		c.route.Scopes = r.Scopes
	}
	if len(r.Except) > 0 {
		c.route.Except = r.Except
	}
	for _, o := range r.To {
		c.without = slices.DeleteFunc(c.without, func(p mroute.IfPattern) bool { return p == o.If })
		if !slices.ContainsFunc(c.route.To, func(have mroute.Output) bool { return have.If == o.If }) {
			c.route.To = append(c.route.To, o)
			e.mention(o.If)
		}
	}
}

// removeRule takes away what clients added, and hides what layers say if
// inLayer.
func (e *edits) removeRule(r mroute.Route, inLayer bool) {
	c := e.find(r)
	e.unadd(c)
	c.removed = c.removed || inLayer
	c.without = nil
	e.drop(c)
}

func (e *edits) unadd(c *routeEdit) {
	if !c.added {
		return
	}
	c.added = false
	e.forget(c.route.From)
	for _, o := range c.route.To {
		e.forget(o.If)
	}
	c.route.To = nil
	c.route.Scopes = mroute.ScopeMask{}
	c.route.Except = nil
	if !c.route.Match.IsExact() {
		e.shapes.remove(shapeOf(masked(c.route.Match)))
	}
}

func (e *edits) removeOutput(r mroute.Route, p mroute.IfPattern, inLayer bool) {
	c := e.find(r)
	n := len(c.route.To)
	c.route.To = slices.DeleteFunc(c.route.To, func(o mroute.Output) bool { return o.If == p })
	if len(c.route.To) < n {
		e.forget(p)
	}
	if inLayer && !slices.Contains(c.without, p) {
		c.without = append(c.without, p)
	}
}

func (e *edits) addJoin(j mroute.Join) {
	k := joinRule{j.If, masked(j.Match)}
	c := e.joins[k]
	if c == nil {
		e.seq++
		c = &joinEdit{join: j}
		c.join.Origin.Seq = e.seq
		e.joins[k] = c
	}
	if !c.added {
		c.added = true
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
	added, inLayer := in.findRoute(r)
	if added == nil && len(inLayer) == 0 {
		return fmt.Errorf("%w: %v from %s", ErrNoRoute, r.Match, r.From)
	}
	if len(r.To) == 0 {
		in.edits.removeRule(r, len(inLayer) > 0)
		return nil
	}
	has := func(to []mroute.Output, p mroute.IfPattern) bool {
		return slices.ContainsFunc(to, func(o mroute.Output) bool { return o.If == p || o.If.Matches(string(p)) })
	}
	for _, o := range r.To {
		found := added != nil && has(added.route.To, o.If)
		for _, lr := range inLayer {
			found = found || has(lr.To, o.If)
		}
		if !found {
			return fmt.Errorf("%w: %v from %s has no outbound interface %s", ErrNoRoute, r.Match, r.From, o.If)
		}
	}
	for _, o := range r.To {
		in.edits.removeOutput(r, o.If, len(inLayer) > 0)
	}
	return nil
}

// findRoute returns what clients added under r's From and match, and the rules
// of the layers that cover From and are not removed yet.
func (in *Intent) findRoute(r mroute.Route) (added *routeEdit, inLayer []*mroute.Route) {
	m := masked(r.Match)
	for _, c := range in.edits.routes[m] {
		if c.route.From == r.From {
			if c.added {
				added = c
			}
			if c.removed {
				return added, nil
			}
		}
	}
	for _, x := range in.layers {
		x.chain(m, func(_ int32, lr *mroute.Route) bool {
			if lr.From == r.From || lr.From.Matches(string(r.From)) || r.From.Matches(string(lr.From)) {
				inLayer = append(inLayer, lr)
			}
			return true
		})
	}
	return added, inLayer
}

func (in *Intent) removeJoin(j mroute.Join) error {
	k := joinRule{j.If, masked(j.Match)}
	c := in.edits.joins[k]
	inLayer := false
	if c == nil || !c.removed {
		for _, x := range in.layers {
			inLayer = inLayer || slices.ContainsFunc(x.layer.Joins, func(o mroute.Join) bool {
				return o.If == j.If && masked(o.Match) == k.match
			})
		}
	}
	if !inLayer && (c == nil || !c.added) {
		return fmt.Errorf("%w: %v on %s", ErrNoGroup, j.Match, j.If)
	}
	in.edits.removeJoin(j, inLayer)
	return nil
}
