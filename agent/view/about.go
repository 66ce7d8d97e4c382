package view

import (
	"fmt"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// About are the flows that somebody asks about. The zero value is all.
type About struct {
	Source, Group Net // what has an address in common with these; zero: all
}

// ParseAbout reads nothing, a group, or a source and a group. Each is an address or a
// prefix, and the source may be "*".
func ParseAbout(words []string) (About, error) {
	var a About
	if len(words) > 2 {
		return a, fmt.Errorf("found %d arguments, expected a group, or a source and a group", len(words))
	}
	for i, word := range words {
		to, last := &a.Source, i == len(words)-1
		if last {
			to = &a.Group
		} else if word == "*" {
			continue
		}
		if err := to.UnmarshalText([]byte(word)); err != nil {
			return a, err
		}
		if multicast := to.Addr().IsMulticast() || to.Bits() == 0; last && !multicast {
			return a, fmt.Errorf("%s is no multicast group, 224.0.0.0/4 or ff00::/8", word)
		}
	}
	if s, g := a.Source, a.Group; !s.IsZero() && s.Addr().Is4() != g.Addr().Is4() {
		return a, fmt.Errorf("source %s and group %s are of different families", s, g)
	}
	return a, nil
}

// Words are what ParseAbout reads as a.
func (a About) Words() []string {
	if a.Group.IsZero() {
		return nil
	}
	group := a.Group.Prefix.String() // a group of length 0 is no "*" here
	if a.Group.IsSingleIP() {
		group = a.Group.Addr().String()
	}
	return []string{a.Source.String(), group}
}

// Flows is a as [mroute.Survey] has it.
func (a About) Flows() mroute.About {
	return mroute.About{Source: a.Source.Prefix, Group: a.Group.Prefix}
}

// Takes reports whether a is about source and group. No source is any.
func (a About) Takes(source, group Net) bool {
	return a.Flows().Takes(mroute.Match{Source: source.Prefix, Group: group.Prefix})
}
