package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Head is what a document begins with: see [State].
type Head struct {
	Version string
	Table   uint32
	NetNS   string
}

// Writer writes a document whose rules and flows come some at a time, as [json.Marshal]
// writes a [State] of them all: Rules, then Entries, each as often as there are some, then
// End. Rules and flows are written by hand, which takes a tenth of the time and of the
// memory: there may be 100,000 of each.
type Writer struct {
	w     io.Writer
	head  Head
	buf   []byte
	part  part
	first bool // of the part
	err   error

	origins []Origin // memory
}

// part is a list of a document.
type part uint8

const (
	noPart part = iota
	rulesPart
	flowsPart
)

// flushAt is how much text is gathered before it is written, in bytes.
const flushAt = 64 << 10

// NewWriter returns a writer of a document.
func NewWriter(w io.Writer, head Head) *Writer {
	return &Writer{w: w, head: head, buf: make([]byte, 0, flushAt+4<<10)}
}

// Rules adds rules. Nothing is kept of them.
func (d *Writer) Rules(rules []mroute.RuleView) {
	d.goTo(rulesPart)
	for i := range rules {
		d.next()
		r := &rules[i]
		row := ruleOf(r, r.OIFs)
		d.buf = appendRule(d.buf, &row)
		d.flush(flushAt)
	}
}

// Entries adds entries of the forwarding cache. Nothing is kept of them.
func (d *Writer) Entries(entries []mroute.EntryView) {
	d.goTo(flowsPart)
	for i := range entries {
		d.next()
		e := &entries[i]
		d.origins = d.origins[:0]
		for j := range e.Origins {
			d.origins = append(d.origins, origin(&e.Origins[j]))
		}
		row := flowOf(e, e.OIFs, d.origins)
		row.Kind = Kind(e.Kind.String())
		d.buf = appendFlow(d.buf, &row)
		d.flush(flushAt)
	}
}

// End adds the rest, which change may change, unless it is nil, and a newline. The error
// is the first there was.
func (d *Writer) End(snap *mroute.Snapshot, change func(*State)) error {
	d.goTo(flowsPart)
	s := rest(snap)
	if change != nil {
		change(s)
	}
	_, tail := d.around(s)
	d.buf = append(append(append(d.buf, ']'), tail...), '\n')
	d.flush(0)
	return d.err
}

// Err is the first error that there was. What comes after it is not written.
func (d *Writer) Err() error { return d.err }

// goTo goes on to a part, by way of those before it.
func (d *Writer) goTo(p part) {
	for d.part < p {
		switch d.part++; d.part {
		case rulesPart:
			before, _ := d.around(&State{})
			d.buf = append(append(d.buf, before...), `"rules":[`...)
		case flowsPart:
			d.buf = append(d.buf, `],"flows":[`...)
		}
		d.first = true
	}
}

// next separates one from the one before.
func (d *Writer) next() {
	if !d.first {
		d.buf = append(d.buf, ',')
	}
	d.first = false
}

// around is what stands before and after the two lists.
func (d *Writer) around(s *State) (before, after []byte) {
	s.Version, s.Table, s.NetNS, s.Rules, s.Flows = d.head.Version, d.head.Table, d.head.NetNS, nil, nil
	text, err := json.Marshal(s)
	if err != nil {
		d.fail(err)
		return nil, nil
	}
	// Nothing but a key has such quotes: in strings they are escaped.
	before, after, ok := bytes.Cut(text, []byte(`"rules":null,"flows":null`))
	if !ok {
		d.fail(fmt.Errorf("a document without its lists: %s", before))
	}
	return before, after
}

func (d *Writer) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// flush writes the text if it is of more than some bytes.
func (d *Writer) flush(more int) {
	if len(d.buf) <= more {
		return
	}
	if d.err == nil {
		_, err := d.w.Write(d.buf)
		if err != nil {
			d.fail(err)
		}
	}
	d.buf = d.buf[:0]
}
