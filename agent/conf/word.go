package conf

import "strings"

// line is a cursor over the words of one line.
type line struct {
	text string // without the newline
	pos  int
}

// isBlank is isspace(3) of the C locale, less the newline: a carriage return is
// white space, so files with CRLF are fine.
func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// next returns the next word and its column, or "" and the column behind the
// last word if there is none.
func (l *line) next() (word string, column int) {
	t, i := l.text, l.pos
	for i < len(t) && isBlank(t[i]) {
		i++
	}
	if i == len(t) {
		end := l.pos
		l.pos = i
		return "", end + 1
	}
	start := i
	for i < len(t) && !isBlank(t[i]) {
		i++
	}
	l.pos = i
	return t[start:i], start + 1
}

// atEnd reports whether no word is left.
func (l line) atEnd() bool {
	word, _ := l.next()
	return word == ""
}

// comment reports whether word ends the line. It is asked only where a keyword
// may stand: as a value, and after "to", such a word is a word like others.
func comment(word string) bool { return word[0] == '#' }

// Keywords of the clauses.
const (
	kwFrom    = "from"
	kwSource  = "source"
	kwGroup   = "group"
	kwExcept  = "except"
	kwNative  = "native"
	kwLearn   = "learn"
	kwFlows   = "flows"
	kwTo      = "to"
	kwEnable  = "enable"
	kwDisable = "disable"
	kwMRDisc  = "mrdisc"
	kwTTL     = "ttl-threshold"
)

// Keywords of the directives.
const (
	kwPhyint   = "phyint"
	kwMGroup   = "mgroup"
	kwMRoute   = "mroute"
	kwInclude  = "include"
	kwSSMGroup = "ssmgroup"
)

// is reports whether word is the keyword: it begins with it ("grouping").
func is(word, keyword string) bool { return strings.HasPrefix(word, keyword) }

// looksMisplaced reports whether a word that stands as an interface name was
// probably meant as a keyword.
func looksMisplaced(word string) bool {
	switch word {
	case kwFrom, kwSource, kwGroup, kwExcept, kwNative, kwLearn, kwFlows, kwTo, kwEnable, kwDisable, kwMRDisc, kwTTL:
		return true
	}
	return false
}
