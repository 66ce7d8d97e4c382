package spread

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// signposts are where rules of others lead packets.
func (r *Router) signposts(rules []kernel.Rule) mroute.Signposts {
	var ss mroute.Signposts
	for _, f := range mroute.Families {
		if r.rules.FamilyErr(f) == nil {
			ss = append(ss, r.signpostsOf(rules, f)...)
		}
	}
	return ss
}

// signpostsOf has one for each link that rules name, as far as its packets go another
// way than those of links that none names, and at last one for these.
func (r *Router) signpostsOf(rules []kernel.Rule, f mroute.Family) (ss mroute.Signposts) {
	rules = slices.Clone(rules)
	rules = slices.DeleteFunc(rules, func(x kernel.Rule) bool { return x.Family != f || !r.foreign(x) })
	var links []string
	for i := range rules {
		if in := rules[i].Links.In; in != "" {
			links = append(links, in)
		}
	}
	slices.Sort(links)
	rest := r.way(rules, f, "")
	for _, link := range slices.Compact(links) {
		if s := r.way(rules, f, link); s.Away != rest.Away {
			s.Link = link
			ss = append(ss, s)
		}
	}
	return append(ss, rest)
}

// way goes through rules of a family as packets do that arrive on a link: see
// fib_rules_lookup in net/core/fib_rules.c. If only some fall under a rule it tells
// what becomes of the others, unless it may lead these to the router.
func (r *Router) way(rules []kernel.Rule, f mroute.Family, link string) mroute.Signpost {
	away := func(x *kernel.Rule, does string) mroute.Signpost {
		return mroute.Signpost{Family: f, Away: fmt.Sprintf("the %v rule of priority %d %s", f, x.Priority, does), Ruled: true, Priority: x.Priority}
	}
	for i := 0; i < len(rules); i++ {
		x := &rules[i]
		some, all := x.Falls(link)
		if !some || x.Deed == kernel.Passes || x.Void {
			continue
		}
		home := x.Deed == kernel.LeadsVRF || x.Deed == kernel.Leads && x.Table == r.rules.Number()
		switch {
		case home, x.Deed == kernel.Jumps && !all:
			return mroute.Signpost{Family: f}
		case !all:
		case x.Deed == kernel.Drops:
			return away(x, "drops them")
		case x.Deed == kernel.Leads:
			return away(x, "leads to "+tableWord(x.Table))
		case x.Deed == kernel.Jumps:
			next, _ := slices.BinarySearchFunc(rules, x.Goto, func(x kernel.Rule, p uint32) int { return cmp.Compare(x.Priority, p) })
			i = max(i, next-1)
		}
	}
	return mroute.Signpost{Family: f, Away: fmt.Sprintf("no %v rule leads to a table", f)}
}

func tableWord(table uint32) string {
	if table == 0 {
		return "the default table"
	}
	return fmt.Sprint("table ", table)
}
