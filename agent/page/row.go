package page

import (
	"bytes"
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
var states = [...]State{Pending, Wrong, Silent, Waiting, Flowing, Stopped, Foreign}

// Numbers of states. troubles is how many of them are trouble.
const (
	pending int8 = iota
	wrong
	silent
	waiting
	flowing
	stopped
	foreign
	troubles = waiting
)

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
}

// End is an interface that packets come in by, or leave by.
type End struct {
	Name string   `json:"name"`           // "": it is gone
	Down bool     `json:"down,omitempty"` // so no packet passes
	Pods []string `json:"pods,omitempty"` // behind it, by "namespace/name"
}

// entryState tells how an entry is.
func entryState(s *stream) int8 {
	switch {
	case s.kind == foreignKind:
		return foreign
	case s.kind == stopKind:
		return stopped
	case s.packets == 0 || s.idle < 0:
		return waiting
	case s.rate.wrong > 0 && 2*s.rate.wrong > s.rate.packets:
		return wrong
	case s.rate.packets > 0 || s.idle < quiet:
		return flowing
	}
	return silent
}

// row is how a stream is shown.
func (t *table) row(s *stream) Row {
	source := s.source.net()
	row := Row{
		State: states[s.state], Kind: kinds[s.kind], Source: source.String(), Group: s.group.net().String(),
		IIF: t.end(s.iif), OIFs: t.ends(s.oifs), Sender: t.sender(source), Table: s.number, Traffic: s.traffic(),
	}
	for _, o := range t.of(s) {
		row.Origins = append(row.Origins, t.originText(o))
	}
	if r := s.rate; r.known {
		packets, bits, wrong := float64(r.packets-r.wrong), r.bits(), float64(r.wrong)
		row.PacketRate, row.BitRate, row.WrongRate = &packets, &bits, &wrong
	}
	switch s.kind {
	case ruleKind:
		row.ID = fmt.Sprintf("rule %s %s %s %s", row.Source, row.Group, row.IIF.Name, row.Origins[0])
	case pendingRoute, pendingGroup:
		row.Reason = t.names.list[s.reason]
		to := make([]string, len(row.OIFs))
		for i := range row.OIFs {
			to[i] = row.OIFs[i].Name
		}
		row.ID = fmt.Sprintf("pending %s %s %s %s %v %s", row.Kind, row.Source, row.Group, row.IIF.Name, to, row.Origins[0])
	default:
		row.ID = fmt.Sprintf("%s %s %d %t", row.Source, row.Group, row.Table, s.kind == foreignKind)
	}
	return row
}

// of are the origins of a stream.
func (t *table) of(s *stream) []origin {
	return t.origins[s.origins.first:][:s.origins.many]
}

// originText is where a rule comes from: "file:line", or the name of an object.
func (t *table) originText(o origin) string {
	ref := t.names.list[o.ref]
	if o.line > 0 {
		return ref + ":" + strconv.Itoa(int(o.line))
	}
	return ref
}

func (t *table) end(n int32) End {
	name := t.names.list[n]
	return End{Name: name, Down: t.down[name], Pods: t.pods.ByLink[name]}
}

func (t *table) ends(list int32) []End {
	all := make([]End, len(t.lists.list[list]))
	for i, n := range t.lists.list[list] {
		all[i] = t.end(n)
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

// finder returns what tells whether a filter finds a stream: by any of its words, in
// lower case. It looks at all of 100,000, so that it makes no text that stays.
func (t *table) finder(text string) func(*stream) bool {
	if text == "" {
		return func(*stream) bool { return true }
	}
	var line []byte
	word := func(s string) { line = append(append(line, ' '), s...) }
	net := func(n view.Net) {
		line = append(line, ' ')
		switch {
		case n.IsZero():
			line = append(line, '*')
		case n.IsSingleIP():
			line = n.Addr().AppendTo(line)
		default:
			line = n.AppendTo(line)
		}
	}
	ends := make([]string, len(t.names.list)) // with pods
	for i, name := range t.names.list {
		ends[i] = strings.ToLower(strings.Join(append([]string{name}, t.pods.ByLink[name]...), " "))
	}
	return func(s *stream) bool {
		line = line[:0]
		source := s.source.net()
		net(source)
		net(s.group.net())
		word(ends[s.iif])
		if len(t.pods.ByAddr) > 0 {
			word(strings.ToLower(t.sender(source)))
		}
		word(string(states[s.state]))
		for _, o := range t.of(s) {
			word(ends[o.ref])
			if o.line > 0 {
				line = strconv.AppendInt(append(line, ':'), int64(o.line), 10)
			}
		}
		for _, o := range t.lists.list[s.oifs] {
			word(ends[o])
		}
		return bytes.Contains(line[1:], []byte(text))
	}
}
