package conf

import (
	"strconv"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

const phyintKeywords = "enable, disable, mrdisc or ttl-threshold"

// phyint reads the line behind the word phyint.
func (p *parser) phyint(l *line) {
	name, column := l.next()
	if name == "" {
		p.error(column, "phyint at the end of the line: expected an interface behind it")
		return
	}
	var (
		phyint mroute.Phyint
		state  clause // enable or disable
		mrdisc clause
		ttl    clause
	)
	id, ok := p.iface(name, column)
	if !ok {
		return
	}
	phyint.If = p.names.list[id].pattern
	if p.opt.DefaultDisable {
		phyint.State = mroute.PhyintDisabled
	}
	for {
		word, column := l.next()
		if word == "" || comment(word) {
			break
		}
		switch {
		case is(word, kwEnable):
			p.flag(&state, clause{word, column})
			phyint.State = mroute.PhyintEnabled
		case is(word, kwDisable):
			p.flag(&state, clause{word, column})
			phyint.State = mroute.PhyintDisabled
		case is(word, kwMRDisc):
			p.flag(&mrdisc, clause{word, column})
			phyint.MRDisc = true
		case is(word, kwTTL):
			if l.atEnd() {
				p.warn(column, "ttl-threshold ignored at the end of the line: expected a number from 1 to 255 behind it")
				break
			}
			p.value(l, &ttl, kwTTL, "a number from 1 to 255")
		default:
			p.unknown(word, column, phyintKeywords)
		}
	}
	if ttl.given() {
		phyint.Threshold = p.threshold(ttl)
	}
	phyint.Origin = p.origin()
	p.layer.Phyints = append(p.layer.Phyints, phyint)
}

// flag notes a keyword without value, which may stand once.
func (p *parser) flag(before *clause, now clause) {
	if before.given() {
		p.warn(now.column, quote(now.word)+" after "+quote(before.word)+" on this line: the later one counts")
	}
	*before = now
}

// threshold reads the value of ttl-threshold.
func (p *parser) threshold(c clause) mroute.Threshold {
	const most = 255
	n, digits := leadingNumber(c.word, most)
	switch {
	case n < 1 || n > most:
		p.error(c.column, "ttl-threshold "+quote(c.word)+": expected a number from 1 to 255; 1 is used")
		return 1
	case digits < len(c.word):
		p.warn(c.column, "ttl-threshold "+quote(c.word)+": expected a number from 1 to 255; taken as "+strconv.Itoa(n))
	}
	return mroute.Threshold(n)
}
