// Package assign shares the inbound links of a router out to kernel tables, none
// of which has more VIFs than [mroute.MaxVIFs].
//
// It is pure. Links stay where they are as long as they fit there, so that
// packets flow on; whoever has no place gets the first that has room for it.
package assign

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Home is the number of the router's own table. Others have numbers from 1 to
// Tables-1.
const (
	Home   = 0
	Tables = 1024
)

// roomy is how many VIFs of a table are given out to links that come new: it
// leaves one, and that is the number which messages about many entries at a time
// cannot name as an output.
const roomy = mroute.MaxVIFs - 1

// Situation is what an assignment is made for.
type Situation struct {
	Needs []mroute.Need // of the inbound links, in order of first mention

	Present map[string]int  // where inbound links are now
	Fixed   map[string]bool // links that cannot leave Home
	Taken   map[int]bool    // numbers of tables that cannot be had
	Frozen  bool            // not all that is wanted is known: no link leaves its table, needed or not
}

// Assignment is where inbound links belong.
type Assignment struct {
	Table map[string]int // by link; those of Home among them

	// Full are the tables that need more VIFs than there are, and what is to be
	// said of it.
	Full map[int]string
}

// Next returns the assignment that follows from a situation. A table that a link
// has to leave gets no other link at once, so that each can be where it belongs
// before it leaves the place where it was.
func Next(s Situation) Assignment {
	a := &assigning{s: s, out: Assignment{Table: make(map[string]int, len(s.Needs)), Full: map[int]string{}}, tables: map[int]*table{}}
	a.number()
	if s.Frozen {
		maps.Copy(a.out.Table, s.Present)
	}
	a.keep()
	a.place()
	a.tell()
	return a.out
}

type assigning struct {
	s      Situation
	out    Assignment
	sets   []set // what each of s.Needs needs
	words  int
	tables map[int]*table
}

// table is what has been assigned to one.
type table struct {
	has    set
	links  []string
	closed bool // to links that come
}

// number gives each link that anybody needs a bit.
func (a *assigning) number() {
	bits := map[int]int{}
	for _, n := range a.s.Needs {
		for _, l := range n.With {
			if _, ok := bits[l]; !ok {
				bits[l] = len(bits)
			}
		}
	}
	a.words = (len(bits) + 63) / 64
	for _, n := range a.s.Needs {
		has := make(set, a.words)
		for _, l := range n.With {
			has[bits[l]/64] |= 1 << (bits[l] % 64)
		}
		a.sets = append(a.sets, has)
	}
}

func (a *assigning) table(number int) *table {
	t := a.tables[number]
	if t == nil {
		t = &table{has: make(set, a.words)}
		a.tables[number] = t
	}
	return t
}

func (a *assigning) put(need, number int) {
	t := a.table(number)
	t.has.add(a.sets[need])
	t.links = append(t.links, a.s.Needs[need].Link)
	a.out.Table[a.s.Needs[need].Link] = number
}

// tooBig reports whether a link alone needs more than any table has.
func (a *assigning) tooBig(need int) bool { return a.sets[need].size() > mroute.MaxVIFs }

// keep leaves links where they are. Of those that do not fit together the ones
// mentioned first stay, and one that fits nowhere only if it is alone.
func (a *assigning) keep() {
	for i, n := range a.s.Needs {
		if a.s.Fixed[n.Link] {
			a.put(i, Home)
			if number := a.s.Present[n.Link]; number != Home {
				a.table(number).closed = true // it leaves that
			}
		}
	}
	stay := func(i int) {
		link := a.s.Needs[i].Link
		number, is := a.s.Present[link]
		if !is || a.s.Fixed[link] {
			return
		}
		t := a.table(number)
		switch {
		case a.s.Frozen, a.tooBig(i) && len(t.links) == 0, t.has.with(a.sets[i]) <= mroute.MaxVIFs:
			a.put(i, number)
			t.closed = t.closed || a.tooBig(i)
		default:
			t.closed = true
		}
	}
	for _, big := range []bool{false, true} {
		for i := range a.s.Needs {
			if a.tooBig(i) == big {
				stay(i)
			}
		}
	}
}

// place finds tables for all others.
func (a *assigning) place() {
	for _, big := range []bool{false, true} {
		for i, n := range a.s.Needs {
			if _, done := a.out.Table[n.Link]; !done && a.tooBig(i) == big {
				a.put(i, a.placeFor(i))
			}
		}
	}
}

func (a *assigning) placeFor(need int) int {
	big := a.tooBig(need)
	for number := range Tables {
		if number != Home && a.s.Taken[number] {
			continue
		}
		t := a.table(number)
		size, before := t.has.with(a.sets[need]), t.has.size()
		switch {
		case t.closed:
		case len(t.links) == 0:
			t.closed = big
			return number
		case big:
		case size <= roomy, size == before && size <= mroute.MaxVIFs:
			return number
		}
	}
	return Home // where it is told that there is no room
}

// tell says which tables are too small.
func (a *assigning) tell() {
	for number, t := range a.tables {
		size := t.has.size()
		if size <= mroute.MaxVIFs {
			continue
		}
		who := t.links[0] + " needs"
		if n := len(t.links); n > 1 {
			why := "cannot be parted"
			if number == Home && slices.ContainsFunc(t.links, func(l string) bool { return a.s.Fixed[l] }) {
				why = "rules of others keep in one table"
			}
			who = fmt.Sprintf("%s and %d more, which %s, need", t.links[0], n-1, why)
		}
		a.out.Full[number] = fmt.Sprintf("%s %d interfaces with the outputs: a table of the kernel has %d", who, size, mroute.MaxVIFs)
	}
}

// Used are the numbers of the tables that an assignment uses beside Home,
// ascending.
func (a *Assignment) Used() []int {
	used := map[int]bool{}
	for _, number := range a.Table {
		used[number] = true
	}
	delete(used, Home)
	return slices.SortedFunc(maps.Keys(used), cmp.Compare)
}
