package conf

import (
	"errors"
	"strconv"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

const groupKeywords = "from, source or group"

// mgroup reads the line behind the word mgroup, which stands at column.
func (p *parser) mgroup(l *line, column int) {
	var r rule
	good := true
	for {
		word, column := l.next()
		if word == "" || comment(word) {
			break
		}
		known, ok := p.ruleClause(l, &r, word)
		good = good && ok
		if !known {
			p.unknown(word, column, groupKeywords)
		}
	}
	if !good || !p.complete(&r, kwMGroup, column) {
		return
	}
	match, ok := p.match(&r)
	if !ok {
		return
	}
	if err := joinable(match); err != nil {
		p.error(r.group.column, err.Error())
		return
	}
	name, ok := p.iface(r.from.word, r.from.column)
	if !ok {
		return
	}
	key := keyOfJoin(name, match)
	if other, ok := p.joined[key]; ok {
		p.info(r.group.column, "already joined at "+p.layer.Joins[other].Origin.String())
		return
	}
	if p.joined == nil {
		p.joined = make(map[joinKey]int32, cap(p.layer.Joins))
	}
	p.joined[key] = int32(len(p.layer.Joins))
	p.layer.Joins = append(p.layer.Joins, mroute.Join{If: p.names.list[name].pattern, Match: match, Origin: p.origin()})
}

// joinKey is what makes two joins the same.
type joinKey struct {
	name       nameID
	sg         sgKey // bits beyond the lengths cleared
	sLen, gLen int16 // sLen is -1 for any source
}

func keyOfJoin(name nameID, m mroute.Match) joinKey {
	source := m.Source
	if source.IsValid() {
		source = source.Masked() // allocates an error if it is not valid
	}
	return joinKey{
		name: name,
		sg:   keyOf(source.Addr(), m.Group.Masked().Addr()),
		sLen: int16(source.Bits()),
		gLen: int16(m.Group.Bits()),
	}
}

// joinable refuses what cannot be joined: every group, and prefixes which stand
// for more than [MaxJoins] single joins.
func joinable(m mroute.Match) error {
	if m.Group.Bits() == 0 {
		return errNotMulticast(m.Group.Addr())
	}
	bits := m.Family().Bits() - m.Group.Bits()
	if m.Source.IsValid() {
		bits += m.Family().Bits() - m.Source.Bits()
	}
	if bits < 63 && 1<<bits <= MaxJoins {
		return nil
	}
	count := "2^" + strconv.Itoa(bits)
	if bits < 63 {
		count = strconv.Itoa(1 << bits)
	}
	return errors.New(m.String() + " stands for " + count + " joins: expected prefixes of at most " + strconv.Itoa(MaxJoins) + " sources times groups")
}
