package page

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// State is how a stream, or a rule without one, is.
type State string

// The states, those first that somebody should look at.
const (
	Pending State = "pending" // a rule or a membership that is not wholly in the kernel
	Wrong   State = "wrong"   // packets arrive, most of them on another interface than the entry says
	Silent  State = "silent"  // there were packets, and now there are none
	Waiting State = "waiting" // there was no packet yet
	Flowing State = "flowing" // packets arrive
	Stopped State = "stopped" // packets arrive or did, and no rule wants them anywhere
	Foreign State = "foreign" // an entry of another program
)

// states are all, in that order.
var states = []State{Pending, Wrong, Silent, Waiting, Flowing, Stopped, Foreign}

// troubles is how many of them are trouble.
const troubles = 3

// quiet is how long a stream may pause that still counts as flowing. Of one that
// has fewer packets it is known only when it was last seen.
const quiet = 3 * time.Second

// Row is a stream, a rule that has none yet, or something pending.
type Row struct {
	ID      string   `json:"id"` // the same from one document to the next
	State   State    `json:"state"`
	Reason  string   `json:"reason,omitempty"` // of what is pending, a sentence
	Kind    string   `json:"kind"`             // of the entry, see [view.Kind]; else "rule", or "mroute" or "mgroup" of what is pending
	Source  string   `json:"source"`           // "*": any
	Group   string   `json:"group"`
	IIF     End      `json:"iif"`
	OIFs    []End    `json:"oifs"`
	Sender  string   `json:"sender,omitempty"` // the pod that is the source
	Origins []string `json:"origins,omitempty"`
	Table   uint32   `json:"table,omitempty"`

	// Per second; null if not known yet. Packets that came on a wrong interface
	// are counted apart.
	PacketRate *float64 `json:"packet_rate"`
	BitRate    *float64 `json:"bit_rate"`
	WrongRate  *float64 `json:"wrong_rate"`

	view.Traffic

	weight float64 // packets a second of any kind, to find the largest
	search string  // what a filter looks at
}

// End is an interface that packets come in by, or leave by.
type End struct {
	Name string   `json:"name"`           // "": it is gone
	Down bool     `json:"down,omitempty"` // so no packet passes
	Pods []string `json:"pods,omitempty"` // behind it, by "namespace/name"
}

// entryRow makes the row of an entry.
func (t *table) entryRow(key entryKey, e *view.Flow, r rate) Row {
	row := Row{
		Kind: string(e.Kind), Source: e.Source.String(), Group: e.Group.String(),
		IIF: t.end(e.IIF), OIFs: t.ends(e.OIFs), Sender: t.sender(e.Source), Table: e.Table, Traffic: e.Traffic,
	}
	for _, o := range e.Origins {
		row.Origins = append(row.Origins, originText(o))
	}
	if r.known {
		packets, bits := r.packets-r.wrong, r.bits()
		row.PacketRate, row.BitRate, row.WrongRate, row.weight = &packets, &bits, &r.wrong, r.packets
	}
	row.State = entryState(e, r, key.foreign)
	row.ID = fmt.Sprintf("%s %s %d %t", row.Source, row.Group, key.table, key.foreign)
	return row
}

// entryState tells how an entry is.
func entryState(e *view.Flow, r rate, foreign bool) State {
	idle, used := e.Idle.Known()
	switch {
	case foreign:
		return Foreign
	case e.Kind == view.StopFilter:
		return Stopped
	case e.Packets == 0 || !used:
		return Waiting
	case r.wrong > 0 && 2*r.wrong > r.packets:
		return Wrong
	case r.packets > 0 || idle < quiet:
		return Flowing
	}
	return Silent
}

// ruleRow makes the row of a rule that no packet has come for.
func (t *table) ruleRow(r *view.Rule) Row {
	return Row{
		ID: fmt.Sprintf("rule %v %v %s %s", r.Source, r.Group, r.IIF, originText(r.Origin)), State: Waiting, Kind: "rule",
		Source: r.Source.String(), Group: r.Group.String(), IIF: t.end(r.IIF), OIFs: t.ends(r.OIFs),
		Sender: t.sender(r.Source), Origins: []string{originText(r.Origin)}, Traffic: r.Traffic,
	}
}

// pendingRow makes the row of something that is pending.
func (t *table) pendingRow(p *view.Pending) Row {
	return Row{
		ID:    fmt.Sprintf("pending %s %v %v %s %v %s", p.Kind, p.Source, p.Group, p.IIF, p.OIFs, originText(p.Origin)),
		State: Pending, Reason: p.Reason, Kind: p.Kind, Source: p.Source.String(), Group: p.Group.String(),
		IIF: t.end(p.IIF), OIFs: t.ends(p.OIFs), Sender: t.sender(p.Source), Origins: []string{originText(p.Origin)},
		Traffic: view.Traffic{Idle: -1},
	}
}

// count takes the counts of another row.
func (r *Row) count(of *Row) {
	r.PacketRate, r.BitRate, r.WrongRate, r.Traffic, r.weight = of.PacketRate, of.BitRate, of.WrongRate, of.Traffic, of.weight
}

// originText is where a rule comes from: "file:line", or the name of an object.
func originText(o view.Origin) string {
	if o.Line > 0 {
		return o.Ref + ":" + strconv.Itoa(o.Line)
	}
	return o.Ref
}

// has reports whether a filter finds the row. Not many look for anything, so
// what it looks at is made when somebody does.
func (r *Row) has(text string) bool {
	if text == "" {
		return true
	}
	if r.search == "" {
		words := append([]string{r.Source, r.Group, r.IIF.Name, r.Sender, string(r.State)}, r.Origins...)
		words = append(words, r.IIF.Pods...)
		for _, o := range r.OIFs {
			words = append(append(words, o.Name), o.Pods...)
		}
		r.search = strings.ToLower(strings.Join(words, " "))
	}
	return strings.Contains(r.search, text)
}
