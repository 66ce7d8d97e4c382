package conf

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// maxNameLen is IFNAMSIZ of linux/if.h less the final NUL.
const maxNameLen = 15

// nameID numbers the different interface patterns of a parse, from 0.
type nameID int32

// names holds each interface pattern once, so that a Layer keeps neither many
// copies of it nor the text of the file.
type names struct {
	ids  map[string]nameID
	list []name

	last nameID // that was interned, which is what most lines name again
}

// name is an interface pattern and what is odd about it.
type name struct {
	pattern mroute.IfPattern
	oddity  string // a warning, or nothing
	seen    int32  // the last list of outputs that holds it, see [parser.outputs]
}

func (n *names) intern(word string) nameID {
	if len(n.list) == 0 || word != string(n.list[n.last].pattern) {
		n.last = n.find(word)
	}
	return n.last
}

func (n *names) find(word string) nameID {
	if id, ok := n.ids[word]; ok {
		return id
	}
	if n.ids == nil {
		n.ids = make(map[string]nameID)
	}
	own := strings.Clone(word)
	id := nameID(len(n.list))
	n.ids[own] = id
	n.list = append(n.list, name{pattern: mroute.IfPattern(own), oddity: oddity(own)})
	return id
}

// oddity says what is strange about an interface name, or nothing.
func oddity(word string) string {
	if reason := impossible(word); reason != "" {
		return reason
	}
	if comment(word) {
		return quote(word) + " is taken as the name of an interface here: expected a comment on a line of its own"
	}
	if looksMisplaced(word) {
		return quote(word) + " is taken as the name of an interface here"
	}
	if strings.ContainsAny(word, `,;"'\`) || !utf8.ValidString(word) {
		return quote(word) + " is taken as the name of an interface here: expected names as ip-link(8) shows them, with blanks between"
	}
	return ""
}

// pins says what is wrong with a name that would be a pinned pattern, or nothing:
// see [mroute.Pinned]. What cannot be an interface's name is only odd otherwise,
// but this one might name an interface after all.
func pins(word string) string {
	if strings.Contains(word, "/") {
		return "no interface can be called " + quote(word) + ": expected a name without slash, blank or NUL"
	}
	return ""
}

// impossible says why no interface can have this name, or nothing
// (dev_valid_name of the kernel's net/core/dev.c).
func impossible(word string) string {
	base := strings.TrimSuffix(word, "+")
	base, _, _ = strings.Cut(base, ":")
	switch {
	case len(base) > maxNameLen:
		return "no interface can be called " + quote(word) + ": expected a name of at most " + strconv.Itoa(maxNameLen) + " bytes"
	case strings.ContainsAny(base, " \t\n\v\f\r\x00"):
		return "no interface can be called " + quote(word) + ": expected a name without slash, blank or NUL"
	}
	return ""
}
