package spread

import (
	"errors"
	"maps"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/spread/assign"
)

// recover takes over the tables to which rules of the process before this one
// lead. Its links stay there.
func (r *Router) recover() {
	if r.rules == nil {
		return
	}
	rules, err := r.list()
	if err != nil {
		if !errors.Is(err, kernel.ErrNotSupported) {
			r.trouble(noLook, err)
		}
		return
	}
	if err := r.post(rules); err != nil {
		r.trouble(noLook, err)
	}
	where := map[string]int{}
	links := map[int]map[string]bool{}
	for _, x := range rules {
		number, is := r.led(x)
		if _, seen := where[x.Links.In]; seen || !is || x.Links.In == "" {
			continue
		}
		where[x.Links.In] = number
		if links[number] == nil {
			links[number] = map[string]bool{}
		}
		links[number][x.Links.In] = true
	}
	for number, names := range links {
		if err := r.open(number, names); err != nil {
			if errors.Is(err, kernel.ErrTableBusy) {
				r.taken[number] = true
			}
			maps.DeleteFunc(where, func(_ string, n int) bool { return n == number })
			r.trouble(noHeirs, err)
		}
	}
	if len(where) == 0 {
		return
	}
	r.where, r.frozen = where, true
	if err := r.limit(setOf(where), "", nil); err != nil {
		r.trouble(noHeirs, err)
	}
}

// share shares the inbound links out anew, if one table has no room for all, or
// had not.
func (r *Router) share() {
	if r.rules == nil {
		return
	}
	d, err := r.first.Demand(r.run)
	if err != nil {
		return
	}
	r.tellMissed(d.Missed)
	if r.told == "" && !r.thawed && !r.suspect && sameNeeds(d.Needs, r.needs) {
		return
	}
	if err := r.shareOut(d.Needs); err != nil {
		what := noLook
		if len(d.Needs) > 0 {
			what = noRoom
		}
		r.trouble(what, err)
		return
	}
	if r.told != "" {
		r.tellEnd()
	}
	r.needs, r.thawed, r.suspect, r.told, r.pause = d.Needs, false, false, "", 0
}

// tellEnd logs that trouble is over, unless rules that were looked at meanwhile lead packets
// away: that is logged then.
func (r *Router) tellEnd() {
	d, err := r.first.Demand(r.run)
	if err != nil {
		return
	}
	if r.tellMissed(d.Missed); len(d.Missed) == 0 {
		r.o.Logger.Log(r.run, core.LevelNotice, "Packets are led to the tables that interfaces need now, as they should")
	}
}

func sameNeeds(a, b []mroute.Need) bool {
	return slices.EqualFunc(a, b, func(a, b mroute.Need) bool { return a.Link == b.Link && slices.Equal(a.With, b.With) })
}

func (r *Router) shareOut(needs []mroute.Need) error {
	rules, err := r.list()
	if err != nil {
		return err
	}
	r.reconsider(rules)
	for {
		if err := r.post(rules); err != nil {
			return err
		}
		next := r.assignment(needs, rules)
		again, err := r.openAll(&next)
		if err != nil {
			return err
		}
		if !again {
			return r.carry(&next, rules)
		}
	}
}

// reconsider has tables tried again that somebody else had: at once where a rule of the
// process before this one leads packets there, and another one when it is needed.
func (r *Router) reconsider(rules []kernel.Rule) {
	led := map[int]bool{}
	for _, x := range rules {
		if number, is := r.led(x); is {
			led[number] = true
		}
	}
	for number := range r.taken {
		if !led[number] || r.open(number, map[string]bool{}) == nil {
			delete(r.taken, number)
		}
	}
}

// assignment is where links belong, as rules and tables are now.
func (r *Router) assignment(needs []mroute.Need, rules []kernel.Rule) assign.Assignment {
	present := maps.Clone(r.where)
	if present == nil {
		present = map[string]int{}
	}
	for _, n := range needs {
		if _, is := present[n.Link]; !is && (r.home[n.Link] || n.Here) {
			present[n.Link] = assign.Home
		}
	}
	return assign.Next(assign.Situation{
		Needs: needs, Present: present, Fixed: r.bound(rules, needs), Taken: r.taken, Frozen: r.frozen,
	})
}

// post tells the first engine where rules of others lead packets. Those of links
// that are not with it come by rules of our own.
func (r *Router) post(rules []kernel.Rule) error {
	ss := r.signposts(rules)
	if slices.Equal(ss, r.posts) {
		return nil
	}
	if err := r.first.SetSignposts(r.run, ss); err != nil {
		return err
	}
	r.posts = ss
	signal(r.crowd) // to tell of it
	return nil
}

// openAll opens the tables that an assignment uses, and that are not open. With
// again, one of them is another program's: another assignment is needed.
func (r *Router) openAll(next *assign.Assignment) (again bool, err error) {
	for _, number := range next.Used() {
		if r.beside[number] != nil {
			continue
		}
		err := r.open(number, map[string]bool{})
		switch {
		case errors.Is(err, kernel.ErrTableBusy):
			r.taken[number], again = true, true
		case err != nil:
			return false, err
		}
	}
	return again, nil
}
