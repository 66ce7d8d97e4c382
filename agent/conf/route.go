package conf

import (
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

const routeKeywords = "from, source, group, except, native, learn, flows or to"

// mroute reads the line behind the word mroute, which stands at column.
func (p *parser) mroute(l *line, column int) {
	var (
		r      rule
		except clause
		learn  anySource
		to     clause // its word is "to" itself
		good   = true
		strays bool // words that are no keywords
	)
words:
	for {
		word, column := l.next()
		if word == "" || comment(word) {
			break
		}
		known, ok := p.ruleClause(l, &r, word)
		switch {
		case known:
			good = good && ok
		case is(word, kwTo):
			to = clause{word, column}
			break words
		case is(word, kwExcept):
			good = p.value(l, &except, kwExcept, "the sources to leave out") && good
		case is(word, kwNative), is(word, kwLearn):
			p.flag(&learn.how, clause{word, column})
		case is(word, kwFlows):
			good = p.value(l, &learn.flows, kwFlows, expectedFlows) && good
		default:
			p.unknown(word, column, routeKeywords)
			strays = true
		}
	}
	if !good || !p.complete(&r, kwMRoute, column) {
		return
	}
	match, ok := p.match(&r)
	if !ok {
		return
	}
	route := mroute.Route{Match: match}
	if except.given() {
		if match.IsExact() {
			p.error(except.column, "except with one source and one group: expected it only where sources are learned, with a prefix or no source")
			return
		}
		var err error
		if route.Except, err = parseExcept(except.word, match.Family()); err != nil {
			p.error(except.column, err.Error())
			return
		}
	}
	if !p.anySource(&route, &learn) {
		return
	}
	tail := *l
	if match.Group.Bits() == 0 {
		maskColumn := r.group.column
		mask := ""
		if to.given() {
			mask, maskColumn = tail.next()
		}
		var err error
		if route.Scopes, err = parseScopeMask(mask); err != nil {
			p.error(maskColumn, err.Error())
			return
		}
	} else if to.given() && tail.atEnd() {
		p.warn(to.column, "to without an interface behind it: this is a stop rule, as if to were not there")
	} else if !to.given() && strays {
		p.warn(column, "mroute without to: this is a stop rule, which forwards nothing")
	}

	from, ok := p.iface(r.from.word, r.from.column)
	if !ok {
		return
	}
	route.From = p.names.list[from].pattern
	if to.given() {
		if route.To, ok = p.outputs(tail, from); !ok {
			return
		}
	}
	if neverForwarded(match.Group) {
		p.warn(r.group.column, "group "+mroute.FormatPrefix(match.Group)+" is link-local: the kernel never forwards it")
	}
	route.Origin = p.origin()
	p.layer.Routes = append(p.layer.Routes, route)
	if match.IsExact() {
		p.noteExact(&r)
	}
}

// noteExact remembers the (S,G) of the last route, and warns if one before it
// has the same on another interface.
func (p *parser) noteExact(r *rule) {
	last := len(p.layer.Routes) - 1
	route := &p.layer.Routes[last]
	sg := route.Match.SG()
	if p.order.Sorted() {
		if p.order.Add(sg) {
			return // there is no other
		}
		p.exact.Grow(sg.Family(), cap(p.layer.Routes))
		for i := range p.layer.Routes[:last] {
			if m := &p.layer.Routes[i].Match; m.IsExact() {
				p.exact.Set(m.SG(), int32(i))
			}
		}
	}
	other, ok := p.exact.Lookup(sg)
	if !ok {
		p.exact.Set(sg, int32(last))
		return
	}
	if first := &p.layer.Routes[other]; first.From != route.From {
		p.warn(r.from.column, sg.String()+" from "+string(route.From)+" is also from "+string(first.From)+" at "+first.Origin.String()+
			": the kernel holds one of them at a time, the one on whose interface packets arrive")
	}
}

// outputList is what the words behind "to" mean.
type outputList struct {
	text    string
	outputs []mroute.Output
	plain   bool // nothing to report about it
	wrong   bool
}

// outputs reads the rest of a line as interfaces, each once. It is not ok if one
// of them is wrong. Routes whose lines end alike share one slice.
func (p *parser) outputs(l line, from nameID) (list []mroute.Output, ok bool) {
	text := l.text[l.pos:]
	read := p.last
	if read == nil || read.text != text {
		read = p.lists[text]
	}
	switch {
	case read == nil:
		read = p.readOutputs(l)
		if p.lists == nil {
			p.lists = make(map[string]*outputList)
		}
		read.text = strings.Clone(text)
		p.lists[read.text] = read
	case !read.plain:
		p.readOutputs(l) // for what is to be reported
	}
	p.last = read
	if in := p.names.list[from].pattern; !in.IsWildcard() {
		for i := range read.outputs {
			if read.outputs[i].If == in {
				p.info(columnOf(l, string(in)), string(in)+" is inbound and output of this route: packets go out where they came in")
			}
		}
	}
	return read.outputs, !read.wrong
}

// columnOf is where word stands in the rest of l.
func columnOf(l line, word string) int {
	for {
		if w, column := l.next(); w == word || w == "" {
			return column
		}
	}
}

func (p *parser) readOutputs(l line) *outputList {
	p.list++
	list := &outputList{plain: true}
	before := len(p.diagnostics)
	for {
		word, column := l.next()
		if word == "" {
			break
		}
		id, ok := p.iface(word, column)
		if !ok {
			list.wrong = true
			continue
		}
		n := &p.names.list[id]
		if n.seen == p.list {
			p.info(column, "output "+quote(word)+" twice on this line: once is enough")
			continue
		}
		n.seen = p.list
		list.outputs = append(list.outputs, mroute.Output{If: n.pattern})
	}
	list.plain = len(p.diagnostics) == before
	return list
}
