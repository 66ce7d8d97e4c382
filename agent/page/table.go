package page

import (
	"cmp"
	"net/netip"
	"slices"
	"sort"
	"sync"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// table is all there is to say of a router.
type table struct {
	pods  Pods
	down  map[string]bool // links that carry nothing
	mu    sync.Mutex      // guards the text that rows are searched by
	rows  []*Row          // those first that somebody should look at, then the largest
	count map[State]int
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
	l.Packets += r.packets - r.wrong
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

// newTable works it out.
func newTable(r *router) *table {
	t := &table{pods: r.pods, down: map[string]bool{}, count: map[State]int{}}
	s := r.State
	if s == nil {
		return t
	}
	at := make(map[string]int, len(s.Links)) // in t.links
	for i, l := range s.Links {
		t.links = append(t.links, Link{
			Name: l.Name, Index: l.Index, Up: l.Up, Multicast: l.Multicast, VIF: l.VIF, MIF: l.MIF, Pods: r.pods.ByLink[l.Name],
		})
		at[l.Name] = i
		t.down[l.Name] = !l.Up
		t.total.VIFs += in(l.VIF, l.Table)
		t.total.MIFs += in(l.MIF, l.Table)
	}
	pending := map[[2]view.Net]*Row{}
	for i := range s.Pending {
		p := &s.Pending[i]
		pending[[2]view.Net{p.Source, p.Group}] = t.add(t.pendingRow(p))
	}
	entries(s, func(i int, key entryKey, e *view.Flow) {
		row, rate := t.entryRow(key, e, r.rates[i]), r.rates[i]
		if p := pending[[2]view.Net{e.Source, e.Group}]; p != nil && len(e.OIFs) == 0 && !key.foreign {
			p.count(&row) // it is there, and waits for all of its outputs
			return
		}
		t.add(row)
		t.total.Known = t.total.Known || rate.known
		if row.State != Flowing || key.foreign {
			return
		}
		t.total.Packets += rate.packets - rate.wrong
		t.total.Bits += rate.bits()
		if n, ok := at[e.IIF]; ok {
			t.links[n].In.add(rate)
		}
		for _, o := range e.OIFs {
			if n, ok := at[o]; ok {
				t.links[n].Out.add(rate)
			}
		}
	})
	for _, rule := range unused(s) {
		t.add(t.ruleRow(rule))
	}
	rank := make(map[State]int, len(states))
	for i, state := range states {
		rank[state] = min(i, troubles) // the others by rate alone
	}
	slices.SortStableFunc(t.rows, func(a, b *Row) int {
		return cmp.Or(cmp.Compare(rank[a.State], rank[b.State]), cmp.Compare(b.weight, a.weight))
	})
	t.total.States, t.total.Flows = t.count, s.Counts
	t.total.Rules, t.total.Joined, t.total.Tables = len(s.Rules), len(s.Joined), 1+len(s.Tables)
	return t
}

// in counts a number of the router's own table.
func in(vif *int, table uint32) int {
	if vif == nil || table != 0 {
		return 0
	}
	return 1
}

func (t *table) add(r Row) *Row {
	t.rows = append(t.rows, &r)
	t.count[r.State]++
	return &r
}

func (t *table) end(name string) End {
	return End{Name: name, Down: t.down[name], Pods: t.pods.ByLink[name]}
}

func (t *table) ends(names []string) []End {
	all := make([]End, len(names))
	for i, name := range names {
		all[i] = t.end(name)
	}
	return all
}

// sender names the pod that an address is of.
func (t *table) sender(source view.Net) string {
	if source.IsZero() || !source.IsSingleIP() {
		return ""
	}
	return t.pods.ByAddr[source.Addr()]
}

// choose returns the first rows that the query wants, and how many others it
// does. Those in trouble leave half of the room to others, if there are any.
func (t *table) choose(q query) (rows []Row, omitted int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var wanted []*Row
	troubled := 0
	for _, r := range t.rows {
		if q.state != "" && r.State != q.state || !r.has(q.text) {
			continue
		}
		wanted = append(wanted, r)
		if slices.Contains(states[:troubles], r.State) {
			troubled++
		}
	}
	others := min(len(wanted)-troubled, max(q.top/2, q.top-troubled))
	rows = make([]Row, 0, min(len(wanted), q.top))
	for _, r := range wanted[:min(troubled, q.top-others)] {
		rows = append(rows, *r)
	}
	for _, r := range wanted[troubled : troubled+others] {
		rows = append(rows, *r)
	}
	return rows, len(wanted) - len(rows)
}

// unused are the rules that no entry is of: no packet has come for them.
func unused(s *view.State) (rules []*view.Rule) {
	type place struct {
		iif string
		netip.Addr
	}
	byPlace := func(a, b place) int { return cmp.Or(cmp.Compare(a.iif, b.iif), a.Compare(b.Addr)) }
	sorted := make([]*view.Flow, 0, len(s.Flows))
	at := func(f *view.Flow) place { return place{f.IIF, f.Group.Addr()} }
	for i := range s.Flows {
		if s.Flows[i].Kind != view.StopFilter {
			sorted = append(sorted, &s.Flows[i])
		}
	}
	slices.SortFunc(sorted, func(a, b *view.Flow) int { return byPlace(at(a), at(b)) })
	exact := make(map[[2]view.Net]bool, len(s.Flows))
	for _, f := range sorted {
		exact[[2]view.Net{f.Source, f.Group}] = true
	}
	for i := range s.Rules {
		r := &s.Rules[i]
		if exact[[2]view.Net{r.Source, r.Group}] { // maybe on another interface
			continue
		}
		first := place{r.IIF, r.Group.Masked().Addr()}
		n := sort.Search(len(sorted), func(i int) bool { return byPlace(at(sorted[i]), first) >= 0 })
		used := false
		for ; n < len(sorted) && sorted[n].IIF == r.IIF && r.Group.Contains(sorted[n].Group.Addr()) && !used; n++ {
			source := sorted[n].Source
			used = r.Source.IsZero() || source.IsZero() || r.Source.Contains(source.Addr())
		}
		if !used {
			rules = append(rules, r)
		}
	}
	return rules
}
