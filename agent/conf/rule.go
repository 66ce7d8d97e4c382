package conf

import "github.com/smcroute/kube-smcroute/agent/mroute"

// rule is the clauses that mroute and mgroup share.
type rule struct {
	from, source, group clause
}

// ruleClause reads the value of keyword word if it is one of rule's. known is false
// if it is not, ok is false if there was an error.
func (p *parser) ruleClause(l *line, r *rule, word string) (known, ok bool) {
	switch {
	case is(word, kwFrom):
		return true, p.value(l, &r.from, kwFrom, "an interface")
	case is(word, kwSource):
		return true, p.value(l, &r.source, kwSource, "an address")
	case is(word, kwGroup):
		return true, p.value(l, &r.group, kwGroup, "a multicast address")
	}
	return false, true
}

// complete checks that the clauses which must be there are.
func (p *parser) complete(r *rule, directive string, column int) bool {
	if !r.from.given() {
		p.error(column, directive+" without from: expected \"from\" and the inbound interface")
	}
	if !r.group.given() {
		p.error(column, directive+" without group: expected \"group\" and a multicast address")
	}
	return r.from.given() && r.group.given()
}

// match reads source and group.
func (p *parser) match(r *rule) (m mroute.Match, ok bool) {
	group, note, err := parseGroup(r.group.word)
	if err != nil {
		p.error(r.group.column, err.Error())
		return m, false
	}
	if note != "" {
		p.warn(r.group.column, note)
	}
	m.Group = group
	if !r.source.given() {
		return m, true
	}
	m.Source, note, err = parseSource(r.source.word, group)
	if err != nil {
		p.error(r.source.column, err.Error())
		return m, false
	}
	if note != "" {
		p.warn(r.source.column, note)
	}
	return m, true
}
