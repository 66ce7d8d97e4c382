package plan

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Problem is why something is not in the kernel, with a sentence that says so.
// The zero Problem is none.
type Problem struct {
	Cause  mroute.Cause
	Reason string
}

// Away is why packets that arrive on a link do not come.
type Away struct {
	Problem
	Post mroute.Signpost
}

// Problems are what is known of the kernel where it is not as the intent wants
// it. The zero Problems are none.
type Problems struct {
	Family func(mroute.Family) Problem         // why the family has no table; nil: both have
	NoVIF  func(mroute.Family) map[int]Problem // why links lack a VIF that they need, by ifindex; nil: none does
	Away   func(mroute.Family) map[int]Away    // why packets that arrive on links do not come, by ifindex; nil: all do
	Rules  map[*mroute.Route]Problem           // of rules with an entry that was refused

	// VIFs are the interface lists, to tell which rules learn sources though they
	// should not; nil: none is looked at.
	VIFs func(mroute.Family) *VIFs

	// About are the flows that somebody asks about.
	About mroute.About

	// Join tells of the memberships that a line stands for; nil: all are joined.
	Join func(iter.Seq[Membership]) Problem
}

// Pending returns the rules and memberships that are not wholly in the kernel:
// for lack of an interface, or because of one of the problems. more is called
// before each is looked at: see [Resolver.Rules].
func (r *Resolver) Pending(ps Problems, more func() bool) []mroute.PendingView {
	var views []mroute.PendingView
	route := func(c claim, since int) {
		rt := c.route
		if !ps.About.Takes(rt.Match) {
			return
		}
		if len(c.changes) > 0 && c.changes.tookAll(rt.From, since) {
			return
		}
		if why, mrules := r.missing(c, &ps); why.Reason != "" {
			views = append(views, mroute.PendingView{
				Kind: mroute.PendingRoute, From: rt.From, Match: rt.Match, Scopes: rt.Scopes, Except: rt.Except,
				To: c.outputs(), Origin: rt.Origin, Cause: why.Cause, Reason: why.Reason, MRules: mrules,
			})
		}
	}
	join := func(li int, j *mroute.Join) {
		if r.partial() || !ps.About.Takes(j.Match) {
			return
		}
		why := r.lacks(j.If)
		if why.Reason == "" && ps.Join != nil {
			why = ps.Join(r.membersOf(li, j))
		}
		if why.Reason != "" {
			views = append(views, mroute.PendingView{
				Kind: mroute.PendingGroup, From: j.If, Match: j.Match, Origin: j.Origin, Cause: why.Cause, Reason: why.Reason,
			})
		}
	}
	for li, x := range r.in.layers {
		for rt := range x.layer.AllRoutes() {
			if more != nil && !more() {
				return views
			}
			c := claim{layer: li, route: rt}
			if !r.in.edits.empty() {
				c.changes = r.in.edits.routes[masked(rt.Match)]
			}
			route(c, 0)
		}
		for j := range x.layer.AllJoins() {
			if more != nil && !more() {
				return views
			}
			if !r.in.edits.left(j) {
				join(li, j)
			}
		}
	}
	for _, c := range r.in.edits.inOrder() {
		if more != nil && !more() {
			return views
		}
		if c.added > 0 {
			route(claim{client, &c.route, c.to, r.in.edits.routes[masked(c.route.Match)]}, c.added)
		}
	}
	for _, c := range r.in.edits.joinsInOrder() {
		if more != nil && !more() {
			return views
		}
		if c.added {
			join(client, &c.join)
		}
	}
	return views
}

// outputs are the patterns of the outputs that clients left of the rule.
func (c claim) outputs() []mroute.IfPattern {
	var to []mroute.IfPattern
	for i, o := range c.route.To {
		if c.keeps(i) {
			to = append(to, o.If)
		}
	}
	return to
}

// keeps reports whether clients left the i-th output.
func (c claim) keeps(i int) bool {
	return len(c.changes) == 0 || !c.changes.tookAllOutputs(c.route.From, c.route.To[i].If, c.since(i))
}

// maxReasons is how many reasons of one rule are spelled out: a wildcard may
// name many links without a VIF.
const maxReasons = 4

// reasons collects the problems of a rule.
type reasons struct {
	cause mroute.Cause // of the first, or of the first that is worse than CauseNoMatch
	said  []string
	more  int
	rules []uint32 // of which was said that they lead packets away, by priority
}

// away adds why packets of a link do not come.
func (rs *reasons) away(a Away) {
	n := len(rs.said)
	if rs.add(a.Problem); len(rs.said) > n && a.Post.Ruled && !slices.Contains(rs.rules, a.Post.Priority) {
		rs.rules = append(rs.rules, a.Post.Priority)
	}
}

func (rs *reasons) add(p Problem) {
	switch {
	case p.Reason == "", slices.Contains(rs.said, p.Reason):
	case len(rs.said) == maxReasons:
		rs.more++
	default:
		if rs.cause == 0 || rs.cause == mroute.CauseNoMatch {
			rs.cause = p.Cause
		}
		rs.said = append(rs.said, p.Reason)
	}
}

func (rs *reasons) problem() Problem {
	reason := strings.Join(rs.said, "; ")
	if rs.more > 0 {
		reason += fmt.Sprintf("; and %d more", rs.more)
	}
	return Problem{rs.cause, reason}
}

// missing says what the rule waits for: first of all for a table, then for
// interfaces, VIFs and entries. With that it returns the priorities of rules of the
// kernel that lead its packets away.
func (r *Resolver) missing(c claim, ps *Problems) (Problem, []uint32) {
	var why reasons
	family := c.route.Match.Family()
	if ps.Family != nil && !r.partial() {
		why.add(ps.Family(family))
	}
	var noVIF map[int]Problem
	if ps.NoVIF != nil && len(why.said) == 0 && r.takesFrom(c.route.From) {
		noVIF = ps.NoVIF(family)
	}
	var away map[int]Away
	if ps.Away != nil && len(why.said) == 0 {
		away = ps.Away(family)
	}
	check := func(p mroute.IfPattern, lack mroute.Cause) {
		if w := r.lacks(p); w.Reason != "" {
			if r.partial() {
				return
			}
			if w.Cause == mroute.CauseNoInterface && p.IsWildcard() {
				w.Cause = lack
			}
			why.add(w)
			return
		}
		if len(noVIF) == 0 {
			return
		}
		for _, pos := range r.match(p) {
			if c.layer == client || r.counts(c.layer, pos, c.route.Origin.Seq) {
				why.add(noVIF[r.links[pos].Index])
			}
		}
	}
	check(c.route.From, mroute.CauseNoInterface)
	if len(away) > 0 {
		for _, pos := range r.match(c.route.From) {
			if r.takesAt(pos) && (c.layer == client || r.counts(c.layer, pos, c.route.Origin.Seq)) {
				why.away(away[r.links[pos].Index])
			}
		}
	}
	for i, o := range c.route.To {
		if c.keeps(i) {
			check(o.If, mroute.CauseNoMatch)
		}
	}
	why.add(ps.Rules[c.route])
	if ps.VIFs != nil && len(why.said) == 0 {
		why.add(r.notNative(c.route, ps.VIFs(family)))
	}
	return why.problem(), why.rules
}

// lacks says why no link serves p, or nothing if one does.
func (r *Resolver) lacks(p mroute.IfPattern) Problem {
	if len(r.match(p)) > 0 {
		return Problem{}
	}
	why, ok := r.lacking[p]
	if !ok {
		why = r.lackOf(p)
		r.lacking[p] = why
	}
	return why
}

// lackOf is lacks for a pattern that no link serves.
func (r *Resolver) lackOf(p mroute.IfPattern) Problem {
	for i := range r.links {
		if names(p, &r.links[i]) {
			return Problem{mroute.CauseNotMulticast, fmt.Sprintf("interface %s is not multicast capable", r.links[i].Name)}
		}
	}
	_, pinned := p.Pin()
	_, there := r.named[p.Name()]
	switch {
	case pinned && there:
		return Problem{mroute.CauseNoInterface, fmt.Sprintf("interface %s was replaced by another of that name", p.Name())}
	case p.IsWildcard():
		return Problem{mroute.CauseNoInterface, fmt.Sprintf("no interface matches %s", p)}
	}
	return Problem{mroute.CauseNoInterface, fmt.Sprintf("no interface %s", p.Name())}
}

// Lacking returns the patterns for which no link serves, and why.
func (r *Resolver) Lacking() map[mroute.IfPattern]string {
	lacking := make(map[mroute.IfPattern]string)
	if r.partial() {
		return lacking
	}
	note := func(p mroute.IfPattern) {
		if why := r.lacks(p); why.Reason != "" {
			lacking[p] = why.Reason
		}
	}
	for _, x := range r.in.layers {
		for _, u := range x.uses {
			note(u.pattern)
		}
	}
	for p := range r.in.edits.uses {
		note(p)
	}
	return lacking
}
