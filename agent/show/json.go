package show

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// jsonText is JSON under construction. It is written by hand because a table
// of 100,000 routes goes through here.
type jsonText []byte

func (j *jsonText) text(s string) { *j = append(*j, s...) }

// sep appends a comma unless i is 0.
func (j *jsonText) sep(i int) {
	if i > 0 {
		*j = append(*j, ',')
	}
}

// jsonRoutes are the routes in JSON.
type jsonRoutes struct {
	now, later   jsonText
	rules, exact int
	entries      int
}

func newJSONRoutes() *jsonRoutes {
	return &jsonRoutes{now: jsonText(`{"routes":{"asm":[`), later: jsonText(`],"ssm":[`)}
}

func (j *jsonRoutes) text() *[]byte { return (*[]byte)(&j.now) }

func (j *jsonRoutes) rule(r *mroute.RuleView) {
	if r.Match.IsExact() {
		j.later.sep(j.exact)
		j.exact++
		j.later.route(ruleRow(r))
		j.later.counters(&r.Counters, r.Age)
		j.later.text("}")
		return
	}
	j.now.sep(j.rules)
	j.rules++
	j.now.route(ruleRow(r))
	j.now.template(r)
	j.now.text("}")
}

func (j *jsonRoutes) endOfRules() {
	j.now, j.later = joined(j.now, j.later), nil
	j.now.text(`],"kernel":[`)
}

func (j *jsonRoutes) entry(e *mroute.EntryView) {
	j.now.sep(j.entries)
	j.entries++
	j.now.route(entryRow(e))
	j.now.counters(&e.Counters, e.Age)
	j.now.text(`,"kind":"`)
	j.now.text(e.Kind.String())
	j.now.text(`"}`)
}

func (j *jsonRoutes) end(snap *mroute.Snapshot) {
	for i := range snap.Foreign {
		if i == 0 {
			j.now.text(`],"foreign":[`)
		}
		e := &snap.Foreign[i]
		j.now.sep(i)
		j.now.route(entryRow(e))
		j.now.counters(&e.Counters, e.Age)
		j.now.text(`}`)
	}
	j.now.text("]}}\n")
}

// route opens an object with the keys that all routes have.
func (j *jsonText) route(r routeRow) {
	j.match(r.match)
	j.text(`,"iif":`)
	if r.iif == "" { // of an input that is gone
		j.text("null")
	} else {
		j.str(r.iif)
	}
	j.text(`,"oifs":`)
	strs(j, r.oifs)
}

// template adds what only templates have.
func (j *jsonText) template(r *mroute.RuleView) {
	j.except(r.Except)
	j.scopes(r.Scopes)
}

func (j *jsonText) except(except []netip.Prefix) {
	if len(except) == 0 {
		return
	}
	j.text(`,"except":[`)
	for i, p := range except {
		j.sep(i)
		j.prefix(p)
	}
	j.text(`]`)
}

func (j *jsonText) scopes(s mroute.ScopeMask) {
	if s.Set {
		j.text(`,"scope_mask":`)
		*j = strconv.AppendUint(*j, uint64(s.Bits), 10)
	}
}

func (j *jsonText) counters(c *mroute.Counters, age time.Duration) {
	j.text(`,"packets":`)
	*j = strconv.AppendUint(*j, c.Packets, 10)
	j.text(`,"bytes":`)
	*j = strconv.AppendUint(*j, c.Bytes, 10)
	j.text(`,"wrong_if":`)
	*j = strconv.AppendUint(*j, c.WrongIf, 10)
	j.text(`,"age":`)
	j.seconds(age)
	j.text(`,"idle":`)
	j.seconds(c.Idle)
}

// seconds appends d in seconds with at most three decimals, or null if d is
// negative, which means unknown.
func (j *jsonText) seconds(d time.Duration) {
	if d < 0 {
		j.text("null")
		return
	}
	ms := uint64(d / time.Millisecond)
	*j = strconv.AppendUint(*j, ms/1000, 10)
	if frac := ms % 1000; frac > 0 {
		*j = append(*j, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
	}
}

func (j *jsonText) groups(snap *mroute.Snapshot) {
	j.text(`{"groups":{"conf":`)
	j.memberships(snap.Groups)
	j.text(`,"kernel":`)
	j.memberships(snap.Joined)
	j.text(`}}`)
}

func (j *jsonText) memberships(groups []mroute.GroupView) {
	j.text(`[`)
	for i := range groups {
		j.sep(i)
		j.match(groups[i].Match)
		j.text(`,"iif":`)
		j.str(groups[i].If)
		j.text(`}`)
	}
	j.text(`]`)
}

func (j *jsonText) interfaces(snap *mroute.Snapshot) {
	j.text(`{"interfaces":[`)
	for i := range snap.Links {
		l := &snap.Links[i]
		j.sep(i)
		j.text(`{"index":`)
		*j = strconv.AppendInt(*j, int64(l.Index), 10)
		j.text(`,"name":`)
		j.str(l.Name)
		j.text(`,"vif":`)
		j.vif(l.VIF)
		j.text(`,"mif":`)
		j.vif(l.MIF)
		if l.Table != 0 {
			j.text(`,"table":`)
			*j = strconv.AppendUint(*j, uint64(l.Table), 10)
		}
		j.text(`}`)
	}
	j.text(`]}`)
}

func (j *jsonText) vif(v mroute.VIF) {
	if v == mroute.NoVIF {
		j.text("null")
		return
	}
	*j = strconv.AppendUint(*j, uint64(v), 10)
}

func (j *jsonText) pending(snap *mroute.Snapshot) {
	j.text(`{"pending":[`)
	for i := range snap.Pending {
		p := &snap.Pending[i]
		j.sep(i)
		j.text(`{"kind":`)
		j.str(string(p.Kind))
		j.text(`,"iif":`)
		j.str(p.From.Name())
		j.text(`,`)
		j.pair(p.Match)
		j.text(`,"oifs":`)
		patterns(j, p.To)
		j.except(p.Except)
		j.scopes(p.Scopes)
		j.text(`,"reason":`)
		j.str(p.Reason)
		j.text(`}`)
	}
	j.text(`]}`)
}

// match opens an object with a source and a group.
func (j *jsonText) match(m mroute.Match) {
	j.text(`{`)
	j.pair(m)
}

func (j *jsonText) pair(m mroute.Match) {
	j.text(`"source":`)
	if anySource(m) {
		j.text("null")
	} else {
		j.prefix(m.Source)
	}
	j.text(`,"group":`)
	j.prefix(m.Group)
}

// prefix appends p as a string, without its length if that is the full one.
func (j *jsonText) prefix(p netip.Prefix) {
	*j = append(*j, '"')
	if p.IsSingleIP() {
		*j = p.Addr().AppendTo(*j)
	} else {
		*j = p.AppendTo(*j)
	}
	*j = append(*j, '"')
}

func strs(j *jsonText, list []string) {
	j.text(`[`)
	for i, s := range list {
		j.sep(i)
		j.str(s)
	}
	j.text(`]`)
}

func patterns(j *jsonText, list []mroute.IfPattern) {
	j.text(`[`)
	for i, p := range list {
		j.sep(i)
		j.str(p.Name())
	}
	j.text(`]`)
}

// str appends s as a JSON string.
func (j *jsonText) str(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic("a string that encoding/json refuses: " + err.Error())
			}
			*j = append(*j, quoted...)
			return
		}
	}
	*j = append(*j, '"')
	*j = append(*j, s...)
	*j = append(*j, '"')
}
