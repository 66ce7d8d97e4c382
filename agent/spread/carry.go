package spread

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/spread/assign"
)

// move is a change of where links are taken in: from where they were to where
// they belong. Those at home are in neither.
type move struct{ from, to map[string]int }

// links are those that change their table.
func (m move) links() []string {
	var moved []string
	for link, number := range m.from {
		if m.to[link] != number {
			moved = append(moved, link)
		}
	}
	for link := range m.to {
		if _, was := m.from[link]; !was {
			moved = append(moved, link)
		}
	}
	slices.Sort(moved)
	return moved
}

// both are the links that a table has before or after the move; of home those that
// it has neither before nor after.
func (m move) both(number int) map[string]bool {
	links := map[string]bool{}
	for _, at := range []map[string]int{m.from, m.to} {
		for link := range at {
			if number == assign.Home {
				_, was := m.from[link]
				_, will := m.to[link]
				if was && will {
					links[link] = true
				}
			} else if at[link] == number {
				links[link] = true
			}
		}
	}
	return links
}

// setOf are the links of a map.
func setOf(where map[string]int) map[string]bool {
	links := make(map[string]bool, len(where))
	for link := range where {
		links[link] = true
	}
	return links
}

// carry has links taken in where they belong. Their packets find all that they
// need in the new table before a rule leads them there, and only then does the
// old one drop its part.
func (r *Router) carry(next *assign.Assignment, rules []kernel.Rule) error {
	m := move{from: r.where, to: maps.Clone(next.Table)}
	maps.DeleteFunc(m.to, func(_ string, number int) bool { return number == assign.Home })
	if err := r.prepare(m); err != nil {
		return err
	}
	added, err := r.lead(rules, m.to)
	if err != nil {
		return err
	}
	if added > 0 && len(m.links()) == 0 {
		r.o.Logger.Warn(fmt.Sprintf("%d rules that lead packets to other tables were missing, and are there again", added))
	}
	r.where, r.home = m.to, map[string]bool{}
	for link, number := range next.Table {
		r.home[link] = number == assign.Home
	}
	r.tell(m, next.Full)
	return r.settle(next.Full)
}

// prepare has each table take in the links that it gets, beside those that it has.
func (r *Router) prepare(m move) error {
	comes := map[int]map[string]bool{}
	for _, link := range m.links() {
		number := m.to[link]
		if comes[number] == nil {
			comes[number] = map[string]bool{}
		}
		comes[number][link] = true
	}
	for number, links := range comes {
		flows, err := r.flows(m, links)
		if err != nil {
			return err
		}
		if err := r.set(number, m.both(number), r.full[number], flows); err != nil {
			return err
		}
	}
	return nil
}

// flows are those that arrive on links, as the tables know where these are now.
func (r *Router) flows(m move, links map[string]bool) ([]mroute.Arrival, error) {
	var all []mroute.Arrival
	from := map[int]bool{}
	for link := range links {
		from[m.from[link]] = true
	}
	for number := range from {
		e := r.engine(number)
		if e == nil {
			continue
		}
		flows, err := e.Flows(r.run, links)
		if err != nil {
			return nil, err
		}
		all = append(all, flows...)
	}
	return all, nil
}

// settle has each table take in its links and no others, and closes those that
// have none.
func (r *Router) settle(full map[int]string) error {
	links := map[int]map[string]bool{assign.Home: setOf(r.where)}
	for link, number := range r.where {
		if links[number] == nil {
			links[number] = map[string]bool{}
		}
		links[number][link] = true
	}
	var errs []error
	for number, has := range links {
		errs = append(errs, r.set(number, has, full[number], nil))
	}
	r.full = full
	for _, b := range r.others() {
		if links[b.number] == nil {
			errs = append(errs, r.close(b))
		}
	}
	return errors.Join(errs...)
}

func (r *Router) engine(number int) *engine.Engine {
	if number == assign.Home {
		return r.first
	}
	if b := r.beside[number]; b != nil {
		return b.engine
	}
	return nil
}

// set has a table take packets in on those links; home on all but those. full is
// what it says of links for which it has no room.
func (r *Router) set(number int, links map[string]bool, full string, flows []mroute.Arrival) error {
	if number == assign.Home {
		return r.limit(links, full, flows)
	}
	b := r.beside[number]
	if b == nil {
		return fmt.Errorf("table %d is not open", tables(r.rules.Number())+uint32(number))
	}
	if len(flows) == 0 && maps.Equal(b.takes, links) && b.full == full {
		return nil
	}
	return b.set(r.run, links, full, flows)
}

// limit has the first engine leave links to others.
func (r *Router) limit(except map[string]bool, full string, flows []mroute.Arrival) error {
	if len(flows) == 0 && maps.Equal(r.except, except) && r.homeFull == full {
		return nil
	}
	r.except, r.homeFull = except, full
	return r.first.SetInbound(r.run, mroute.Inbound{Except: maps.Clone(except), Full: full}, flows)
}

// tell logs what a move comes to.
func (r *Router) tell(m move, full map[int]string) {
	for _, number := range slices.Sorted(maps.Keys(full)) {
		if why := full[number]; r.full[number] != why {
			r.o.Logger.Warn(why)
		}
	}
	moved := len(m.links())
	if moved == 0 {
		return
	}
	line := "All interfaces are in one table again"
	if len(m.to) > 0 {
		var ids []uint32
		for _, b := range r.others() {
			if slices.Contains(slices.Collect(maps.Values(m.to)), b.number) {
				ids = append(ids, b.table)
			}
		}
		line = fmt.Sprintf("More interfaces are wanted than a table of the kernel has room for: packets of %d go to other tables: %v", len(m.to), ids)
	}
	r.o.Logger.Log(context.Background(), core.LevelNotice, line, "moved", moved)
}

// tellMissed logs for which links packets go to tables that are not the router's.
func (r *Router) tellMissed(missed map[string]string) {
	links := map[string][]string{} // that are new, by reason
	for _, link := range slices.Sorted(maps.Keys(missed)) {
		if why := missed[link]; r.missed[link] != why {
			links[why] = append(links[why], link)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(links)) {
		who := links[why][0]
		if n := len(links[why]) - 1; n > 0 {
			who += fmt.Sprintf(" and %d more", n)
		}
		r.o.Logger.Warn(fmt.Sprintf("Packets that arrive on %s do not come to this router: %s", who, why))
	}
	if len(missed) == 0 && len(r.missed) > 0 {
		r.o.Logger.Log(r.run, core.LevelNotice, "Packets that this router wants are not led away from it any more")
	}
	r.missed = missed
}
