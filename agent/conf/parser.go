package conf

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// parser is the state of one Parse over all files.
type parser struct {
	opt         Options
	layer       mroute.Layer
	diagnostics []Diagnostic
	seq         int

	// The place being read.
	name string
	line int

	open []string            // names of the files being read, outermost first
	read map[string]position // where each file was included

	names names
	lists map[string]*outputList // by the text behind "to"
	last  *outputList            // the one before, which is what most lines have again
	list  int32                  // number of the list of outputs being read

	order  mroute.Ascent      // of exact routes
	exact  mroute.BySG[int32] // first route of each exact (S,G), by index, unless they are in order
	joined map[joinKey]int32  // joins, by index
}

// byteOrderMark is U+FEFF in UTF-8, with which some editors begin a file.
const byteOrderMark = "\ufeff"

// HasNUL reports whether text is none: it is in UTF-16, not in ASCII or UTF-8, or
// was not written to its end before the machine went down.
func HasNUL(text string) bool { return strings.IndexByte(text, 0) >= 0 }

type position struct {
	file string
	line int
}

// sgKey is an (S,G) without pointers, which keeps large maps cheap. No IPv4
// group maps to an IPv6 one, so the family is implied.
type sgKey struct{ source, group [16]byte }

func keyOf(source, group netip.Addr) sgKey {
	k := sgKey{group: group.As16()}
	if source.IsValid() {
		k.source = source.As16()
	}
	return k
}

// file reads one file, and those it includes where it includes them.
func (p *parser) file(src Source) {
	outer, outerLine := p.name, p.line
	p.name, p.line = src.Name, 0
	p.open = append(p.open, src.Name)

	text := strings.TrimPrefix(src.Text, byteOrderMark)
	if len(p.open) == 1 {
		p.reserve(text)
	}
	nul := HasNUL(text)
	for told := false; text != ""; {
		var l line
		l.text, text, _ = strings.Cut(text, "\n")
		p.line++
		switch {
		case !nul || !HasNUL(l.text):
			p.directive(&l)
		case !told: // of the others in the file nothing more can be said
			told = true
			p.error(strings.IndexByte(l.text, 0)+1, "a NUL byte: expected text, in ASCII or UTF-8; lines with such bytes are left out")
		}
	}

	p.open = p.open[:len(p.open)-1]
	p.name, p.line = outer, outerLine
}

// reserve makes room for about what text holds, to spare the copying of large
// slices that grow: lines that begin with a blank are not counted.
func (p *parser) reserve(text string) {
	var phyints, routes, joins int
	for text != "" {
		switch {
		case is(text, kwMRoute):
			routes++
		case is(text, kwMGroup):
			joins++
		case is(text, kwPhyint):
			phyints++
		}
		_, text, _ = strings.Cut(text, "\n")
	}
	p.layer.Phyints = slices.Grow(p.layer.Phyints, phyints)
	p.layer.Routes = slices.Grow(p.layer.Routes, routes)
	p.layer.Joins = slices.Grow(p.layer.Joins, joins)
}

// directive reads one line.
func (p *parser) directive(l *line) {
	word, column := l.next()
	switch {
	case word == "", comment(word):
	case is(word, kwMRoute):
		p.mroute(l, column)
	case is(word, kwMGroup), is(word, kwSSMGroup):
		p.mgroup(l, column)
	case is(word, kwPhyint):
		p.phyint(l)
	case is(word, kwInclude):
		p.include(l)
	default:
		p.error(column, "unknown directive "+quote(word)+": expected phyint, mgroup, mroute or include")
	}
}

// origin numbers the next item of the layer.
func (p *parser) origin() mroute.Origin {
	p.seq++
	return mroute.Origin{Ref: p.name, Line: p.line, Seq: p.seq}
}

// clause is a keyword's value and where it stands. The zero clause is absent.
type clause struct {
	word   string
	column int
}

func (c clause) given() bool { return c.column != 0 }

// value reads the word behind a keyword. It returns false, with an error
// reported, if the line ends there.
func (p *parser) value(l *line, c *clause, keyword, expected string) bool {
	word, column := l.next()
	if word == "" {
		p.error(column, keyword+" at the end of the line: expected "+expected+" behind it")
		return false
	}
	if c.given() {
		p.warn(column, keyword+" twice on this line, with "+quote(c.word)+" and "+quote(word)+": the later one counts")
	}
	*c = clause{word, column}
	return true
}

// unknown reports a word that is no keyword.
func (p *parser) unknown(word string, column int, expected string) {
	p.warn(column, "unknown word "+quote(word)+" ignored: expected "+expected)
}

// iface interns the name of an interface, and reports what is odd about it.
func (p *parser) iface(word string, column int) (id nameID, ok bool) {
	if reason := pins(word); reason != "" {
		p.error(column, reason)
		return 0, false
	}
	id = p.names.intern(word)
	if oddity := p.names.list[id].oddity; oddity != "" {
		p.warn(column, oddity)
	}
	return id, true
}

func (p *parser) error(column int, message string) { p.report(column, Error, message) }
func (p *parser) warn(column int, message string)  { p.report(column, Warning, message) }
func (p *parser) info(column int, message string)  { p.report(column, Info, message) }

func (p *parser) report(column int, severity Severity, message string) {
	p.diagnostics = append(p.diagnostics, Diagnostic{
		File: p.name, Line: p.line, Column: column, Severity: severity, Message: message,
	})
}
