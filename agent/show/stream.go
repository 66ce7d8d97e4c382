package show

import (
	"bytes"
	"io"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Form is how a listing is written.
type Form uint8

// The forms.
const (
	Brief Form = iota
	Detailed
	InJSON
)

// RoutesWriter writes the listing of routes while they come: Rules, then Entries, each as
// often as there are some, then End. Nothing is kept of them but the text of what comes
// after others of its kind: exact rules come after templates, stop filters after the
// other entries.
type RoutesWriter struct {
	w     io.Writer
	err   error
	rows  rows
	rules bool // they are all there
}

// rows are the listing in one form.
type rows interface {
	text() *[]byte // that can be written
	rule(*mroute.RuleView)
	endOfRules()
	entry(*mroute.EntryView)
	end(*mroute.Snapshot)
}

// flushAt is how much text is gathered before it is written, in bytes.
const flushAt = 64 << 10

// NewRoutesWriter returns a writer of a listing in a form. Text has a column as wide as
// the longest name of links.
func NewRoutesWriter(w io.Writer, form Form, links []mroute.LinkView) *RoutesWriter {
	if form == InJSON {
		return &RoutesWriter{w: w, rows: newJSONRoutes()}
	}
	return &RoutesWriter{w: w, rows: newTextRoutes(links, form == Detailed)}
}

// Rules adds rules.
func (l *RoutesWriter) Rules(rules []mroute.RuleView) {
	for i := range rules {
		l.rows.rule(&rules[i])
		l.flush(flushAt)
	}
}

// Entries adds entries of the forwarding cache.
func (l *RoutesWriter) Entries(entries []mroute.EntryView) {
	l.endOfRules()
	for i := range entries {
		l.rows.entry(&entries[i])
		l.flush(flushAt)
	}
}

// End adds the entries of other programs. The error is the first there was.
func (l *RoutesWriter) End(snap *mroute.Snapshot) error {
	l.endOfRules()
	l.flush(0)
	l.rows.end(snap)
	l.flush(0)
	return l.err
}

// Err is the first error that there was. What comes after it is not written.
func (l *RoutesWriter) Err() error { return l.err }

func (l *RoutesWriter) endOfRules() {
	if !l.rules {
		l.rules = true
		l.flush(0)
		l.rows.endOfRules()
		l.flush(flushAt)
	}
}

// flush writes the text if it is of more than some bytes.
func (l *RoutesWriter) flush(more int) {
	text := l.rows.text()
	if len(*text) <= more {
		return
	}
	if l.err == nil {
		_, l.err = l.w.Write(*text)
	}
	if *text = (*text)[:0]; cap(*text) > 4*flushAt {
		*text = nil
	}
}

// joined is both texts, the second of which may be long and is not needed any more.
func joined(now, later []byte) []byte {
	if len(now) == 0 {
		return later
	}
	return append(now, later...)
}

// routes is the listing of a whole snapshot.
func routes(snap *mroute.Snapshot, form Form) string {
	var b bytes.Buffer
	l := NewRoutesWriter(&b, form, snap.Links)
	l.Rules(snap.Rules)
	l.Entries(snap.Entries)
	_ = l.End(snap) // a buffer takes all
	return b.String()
}
