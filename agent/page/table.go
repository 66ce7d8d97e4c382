package page

import (
	"cmp"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// table is all there is to say of a router.
type table struct {
	*streams
	pods  Pods
	down  map[string]bool // links that carry nothing
	order []int32         // of streams: those first that somebody should look at, then the largest
	links []Link
	total Totals
}

// Link is an interface, and what the entries say of it.
type Link struct {
	Name      string   `json:"name"`
	Index     int      `json:"index"`
	Up        bool     `json:"up"`
	Multicast bool     `json:"multicast"`
	VIF       *int     `json:"vif"` // null: none
	MIF       *int     `json:"mif"` // null: none
	Pods      []string `json:"pods,omitempty"`
	In        Load     `json:"in"`  // that is forwarded
	Out       Load     `json:"out"` // if nothing keeps it from leaving
}

// Load is what an interface carries of all streams.
type Load struct {
	Streams int     `json:"streams"` // that flow
	Packets float64 `json:"packets"` // a second
	Bits    float64 `json:"bits"`    // a second
}

func (l *Load) add(r rate) {
	l.Streams++
	l.Packets += float64(r.packets - r.wrong)
	l.Bits += r.bits()
}

// Totals are of a router as a whole.
type Totals struct {
	Known   bool          `json:"known"`   // whether rates are
	Packets float64       `json:"packets"` // a second, that arrive and are forwarded
	Bits    float64       `json:"bits"`    // a second
	States  map[State]int `json:"states"`
	Rules   int           `json:"rules"`
	Joined  int           `json:"joined"`
	VIFs    int           `json:"vifs"` // of the router's own table, of 32
	MIFs    int           `json:"mifs"`
	Tables  int           `json:"tables"` // in use, the router's own included
	Flows   view.Counts   `json:"flows"`
}

// newTable works it out: from streams, and the rest of a state.
func newTable(s *streams, state *view.State, pods Pods) *table {
	t := &table{streams: s, pods: pods, down: map[string]bool{}}
	t.total.Flows, t.total.Rules, t.total.Joined, t.total.Tables = state.Counts, s.rules, len(state.Joined), 1+len(state.Tables)
	at := make(map[int32]int, len(state.Links)) // numbers of names, in t.links
	for i, l := range state.Links {
		t.links = append(t.links, Link{
			Name: l.Name, Index: l.Index, Up: l.Up, Multicast: l.Multicast, VIF: l.VIF, MIF: l.MIF, Pods: pods.ByLink[l.Name],
		})
		at[s.name(l.Name)] = i
		t.down[l.Name] = !l.Up
		t.total.VIFs += in(l.VIF, l.Table)
		t.total.MIFs += in(l.MIF, l.Table)
	}
	s.join(state.Pending)
	s.dropUsed()
	t.load(at)
	t.sort()
	return t
}

// load adds up what streams carry; at says which link has a name.
func (t *table) load(at map[int32]int) {
	var count [len(states)]int
	for _, chunk := range t.chunks {
		for i := range chunk {
			s := &chunk[i]
			if s.gone {
				continue
			}
			count[s.state]++
			t.total.Known = t.total.Known || s.rate.known && s.state != pending
			if s.state != flowing {
				continue
			}
			t.total.Packets += float64(s.rate.packets - s.rate.wrong)
			t.total.Bits += s.rate.bits()
			if n, ok := at[s.iif]; ok {
				t.links[n].In.add(s.rate)
			}
			for _, o := range t.lists.list[s.oifs] {
				if n, ok := at[o]; ok {
					t.links[n].Out.add(s.rate)
				}
			}
		}
	}
	t.total.States = map[State]int{}
	for i, n := range count {
		if n > 0 {
			t.total.States[states[i]] = n
		}
	}
}

// in counts a number of the router's own table.
func in(vif *int, table uint32) int {
	if vif == nil || table != 0 {
		return 0
	}
	return 1
}

// sort brings streams in order, which is the same from one reading to the next.
func (t *table) sort() {
	t.order = make([]int32, 0, t.n)
	for i := range int32(t.n) {
		if !t.at(i).gone {
			t.order = append(t.order, i)
		}
	}
	slices.SortFunc(t.order, func(i, j int32) int {
		a, b := t.at(i), t.at(j)
		return cmp.Or(cmp.Compare(min(a.state, troubles), min(b.state, troubles)), // the others by rate alone
			cmp.Compare(b.rate.packets, a.rate.packets), a.compare(b), cmp.Compare(i, j))
	})
}

// choose returns the first rows that the query wants, and how many others it
// does. Those in trouble leave half of the room to others, if there are any.
func (t *table) choose(q query) (rows []Row, omitted int) {
	find := t.finder(q.text)
	var trouble, others []int32 // as many of each as there is room for
	troubled, wanted := 0, 0
	for _, i := range t.order {
		s := t.at(i)
		if q.state != "" && states[s.state] != q.state || !find(s) {
			continue
		}
		wanted++
		to := &others
		if s.state < troubles {
			troubled++
			to = &trouble
		}
		if len(*to) < q.top {
			*to = append(*to, i)
		}
	}
	rest := min(wanted-troubled, max(q.top/2, q.top-troubled))
	rows = make([]Row, 0, min(wanted, q.top))
	for _, i := range trouble[:min(troubled, q.top-rest)] {
		rows = append(rows, t.row(t.at(i)))
	}
	for _, i := range others[:rest] {
		rows = append(rows, t.row(t.at(i)))
	}
	return rows, wanted - len(rows)
}
