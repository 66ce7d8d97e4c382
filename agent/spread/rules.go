package spread

import (
	"errors"
	"maps"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// key is a rule of our own.
type key struct {
	family mroute.Family
	links  kernel.Way
	table  uint32
}

func keyOf(x kernel.Rule) key { return key{x.Family, x.Links, x.Table} }

// led is the number of the table to which a rule leads, if it was made by this router,
// by that of the process before it, or by another program for what is its table now.
func (r *Router) led(x kernel.Rule) (number int, is bool) {
	own := r.rules.Number()
	return int(x.Table - tables(own)), x.Own && x.Plain() && Beside(own, x.Table)
}

// ours reports whether a rule was made by this router, or by that of the process
// before it.
func (r *Router) ours(x kernel.Rule) bool {
	number, is := r.led(x)
	return is && !r.taken[number]
}

// list lists the rules of the families that the router has.
func (r *Router) list() ([]kernel.Rule, error) {
	var all []kernel.Rule
	for _, f := range mroute.Families {
		if r.rules.FamilyErr(f) != nil {
			continue
		}
		rules, err := r.rules.Rules(f)
		if err != nil {
			return nil, err
		}
		all = append(all, rules...)
	}
	return all, nil
}

// wanted are the rules that lead packets of links to tables. In IPv4 those that
// this system sends itself out of a link, and which go to routers as if they had
// arrived there, need one of their own.
func (r *Router) wanted(where map[string]int) map[key]kernel.Rule {
	rules := map[key]kernel.Rule{}
	for link, number := range where {
		for _, f := range mroute.Families {
			if r.rules.FamilyErr(f) != nil {
				continue
			}
			x := kernel.Rule{Family: f, Links: kernel.Way{In: link}, Table: tables(r.rules.Number()) + uint32(number)}
			rules[keyOf(x)] = x
			if f == mroute.IPv4 {
				x.Links = kernel.Way{Out: link}
				rules[keyOf(x)] = x
			}
		}
	}
	return rules
}

// lead has the kernel lead packets of links to tables, and those of no others.
// have are the rules there are. Where a link has had another table, that decides
// until its rule is gone: there is one at any moment. If a rule cannot be added
// all stays as it was. It returns how many were added.
func (r *Router) lead(have []kernel.Rule, where map[string]int) (added int, err error) {
	want := r.wanted(where)
	var stale []kernel.Rule
	for _, x := range have {
		if !r.ours(x) {
			continue
		}
		if _, stays := want[keyOf(x)]; stays {
			delete(want, keyOf(x))
		} else {
			stale = append(stale, x)
		}
	}
	if len(want) > 0 {
		if err := r.rules.AddRules(slices.Collect(maps.Values(want))); err != nil {
			return 0, err
		}
	}
	if len(stale) > 0 {
		err = r.rules.DeleteRules(stale)
	}
	return len(want), err
}

// unlead removes all rules of our own.
func (r *Router) unlead() error {
	have, err := r.list()
	if errors.Is(err, kernel.ErrNotSupported) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = r.lead(have, nil)
	return err
}

// bound looks at the rules of others: it returns the links that must stay with the
// router's own table, since no rule of ours could lead their packets elsewhere, or
// one would take them from somebody else.
func (r *Router) bound(rules []kernel.Rule, needs []mroute.Need) map[string]bool {
	fixed := map[string]bool{}
	for _, n := range needs {
		for _, f := range mroute.Families {
			if r.rules.FamilyErr(f) != nil {
				continue
			}
			x, found := r.decides(rules, f, n.Link)
			if !found || !x.Plain() || x.Table != r.rules.Number() || x.Priority <= kernel.RulePriority {
				fixed[n.Link] = true
			}
		}
	}
	return fixed
}

// foreign reports whether a rule is somebody else's, and not about where this system
// sends packets alone.
func (r *Router) foreign(x kernel.Rule) bool { return !r.ours(x) && (x.Links.Out == "" || x.Not) }

// decides returns the first rule of somebody else that packets of a link fall
// under, or may.
func (r *Router) decides(rules []kernel.Rule, f mroute.Family, link string) (kernel.Rule, bool) {
	for _, x := range rules {
		if x.Family != f || !r.foreign(x) || x.Deed == kernel.Passes {
			continue
		}
		if some, _ := x.Falls(link); some {
			return x, true
		}
	}
	return kernel.Rule{}, false
}
