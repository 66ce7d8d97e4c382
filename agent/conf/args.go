package conf

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// The arguments of smcroutectl's commands:
//
//	add     IIF [SRC[/LEN]] GRP[/LEN] [OIF...]    IIF :: :: MASK [OIF...]
//	remove  IIF [SRC[/LEN]] GRP[/LEN] [OIF...]    IIF :: :: [MASK] [OIF...]
//	join    IIF [SRC[/LEN]] GRP[/LEN]
//	leave   IIF [SRC[/LEN]] GRP[/LEN]
//
// All also take what stands behind mroute, or mgroup, in a line of a file, if it begins
// with the word from. Behind that, as an interface, an address would have to follow:
// SMCRoute refuses all such lines.
//
// The errors of the functions below are sentences for the user of the client.

// ParseEdit reads the arguments of the command that asks for kind. What it
// returns has no Origin.
func ParseEdit(kind mroute.EditKind, args []string) (mroute.Edit, error) {
	edit := mroute.Edit{Kind: kind}
	var err error
	switch kind {
	case mroute.AddRoute:
		edit.Route, err = ParseRoute(args)
	case mroute.RemoveRoute:
		edit.Route, err = parseRoute(args, false)
	case mroute.AddJoin, mroute.RemoveJoin:
		edit.Join, err = ParseJoin(args)
	default:
		err = errors.New("unknown kind of edit")
	}
	if err != nil {
		return mroute.Edit{}, err
	}
	return edit, nil
}

// ParseRoute reads the arguments of "add". The Route has no Origin.
func ParseRoute(args []string) (mroute.Route, error) { return parseRoute(args, true) }

// parseRoute reads the arguments of "add", or of "remove", where the mask of a
// (*,*) rule may be absent.
func parseRoute(args []string, needMask bool) (mroute.Route, error) {
	if isLine(args) {
		return parseRouteLine(args)
	}
	from, match, rest, err := parseArgs(args)
	if err != nil {
		return mroute.Route{}, err
	}
	route := mroute.Route{From: from, Match: match}
	if match.Group.Bits() == 0 && (needMask || len(rest) > 0 && isNumber(rest[0])) {
		mask := ""
		if len(rest) > 0 {
			mask, rest = rest[0], rest[1:]
		}
		if route.Scopes, err = parseScopeMask(mask); err != nil {
			return mroute.Route{}, err
		}
	}
	if route.To, err = parseOutputs(rest); err != nil {
		return mroute.Route{}, err
	}
	return route, nil
}

// isLine reports whether the arguments are words of a line of a file.
func isLine(args []string) bool {
	return len(args) > 1 && args[0] == kwFrom && !mayBeAddress(args[1])
}

func parseRouteLine(args []string) (mroute.Route, error) {
	l, err := parseLine(args, (*parser).mroute)
	if err != nil {
		return mroute.Route{}, err
	}
	route := l.Routes[0]
	route.Origin = mroute.Origin{}
	return route, nil
}

func parseJoinLine(args []string) (mroute.Join, error) {
	l, err := parseLine(args, (*parser).mgroup)
	if err != nil {
		return mroute.Join{}, err
	}
	join := l.Joins[0]
	join.Origin = mroute.Origin{}
	return join, nil
}

// parseLine has the words of a line of a file read by the directive that they are for.
// What is a warning there is an error to a client, which can say it again.
func parseLine(args []string, directive func(p *parser, l *line, column int)) (*mroute.Layer, error) {
	for _, word := range args {
		if word == "" || word[0] == '#' || strings.ContainsFunc(word, func(r rune) bool { return r == '\n' || r < 0x80 && isBlank(byte(r)) }) {
			return nil, errors.New("word " + quote(word) + ": expected one without blanks, and no comment")
		}
	}
	var p parser
	directive(&p, &line{text: strings.Join(args, " ")}, 1)
	for _, d := range p.diagnostics {
		switch d.Severity {
		case Error:
			return nil, errors.New(d.Message)
		case Warning:
			return nil, errors.New("an error here, in a file a warning: " + d.Message)
		}
	}
	return &p.layer, nil
}

// mayBeAddress reports whether an interface before the word makes sense. No source may
// also be said by an empty word.
func mayBeAddress(word string) bool {
	text, _, _ := strings.Cut(word, "/")
	_, err := parseAddress(kwSource, text)
	return err == nil || word == ""
}

// Misplaced returns an error if an interface of what a client adds is called like a word of
// a file, and there is no such interface: the user took one syntax for the other.
func Misplaced(ed *mroute.Edit, links func() ([]mroute.LinkView, error)) error {
	var names []mroute.IfPattern
	expected := "IIF [SOURCE] GROUP OIF..., or all words of a line: from IIF [source SOURCE] group GROUP to OIF..."
	switch ed.Kind {
	case mroute.AddRoute:
		names = append(names, ed.Route.From)
		for _, o := range ed.Route.To {
			names = append(names, o.If)
		}
	case mroute.AddJoin:
		names = append(names, ed.Join.If)
		expected = "IIF [SOURCE] GROUP, or all words of a line: from IIF [source SOURCE] group GROUP"
	}
	names = slices.DeleteFunc(names, func(n mroute.IfPattern) bool { return !looksMisplaced(string(n)) })
	if len(names) == 0 {
		return nil
	}
	all, err := links()
	if err != nil {
		return err
	}
	for _, n := range names {
		if !slices.ContainsFunc(all, func(l mroute.LinkView) bool { return l.Name == string(n) }) {
			return fmt.Errorf("there is no interface %q, which is a word of smcroute.conf: expected %s", n, expected)
		}
	}
	return nil
}

func isNumber(word string) bool {
	_, digits := leadingNumber(word, MaxScopeMask)
	return digits > 0 && digits == len(word)
}

// ParseJoin reads the arguments of "join", and of "leave", which must be those
// of the join. The Join has no Origin.
func ParseJoin(args []string) (mroute.Join, error) {
	if isLine(args) {
		return parseJoinLine(args)
	}
	name, match, rest, err := parseArgs(args)
	if err != nil {
		return mroute.Join{}, err
	}
	if len(rest) > 0 {
		return mroute.Join{}, errors.New("unexpected word " + quote(rest[0]) + ": expected nothing behind the group")
	}
	if err := joinable(match); err != nil {
		return mroute.Join{}, err
	}
	return mroute.Join{If: name, Match: match}, nil
}

// parseArgs reads interface, source and group, and returns what is left. The
// second argument is the group if its address is multicast, else the source.
func parseArgs(args []string) (from mroute.IfPattern, m mroute.Match, rest []string, err error) {
	if len(args) == 0 {
		return "", m, nil, errors.New("no arguments: expected an interface, a source if wanted, and a group")
	}
	if from, err = parseName(args[0]); err != nil {
		return "", m, nil, err
	}
	args = args[1:]
	source := ""
	if len(args) > 0 && !startsWithGroup(args[0]) {
		source, args = args[0], args[1:]
	}
	if len(args) == 0 {
		if source != "" {
			// One address alone was meant as the group.
			if _, _, err = parseGroup(source); err != nil {
				return "", m, nil, err
			}
		}
		return "", m, nil, errors.New("no group: expected a multicast address behind the interface or the source")
	}
	if m.Group, _, err = parseGroup(args[0]); err != nil {
		return "", m, nil, err
	}
	if source != "" {
		if m.Source, _, err = parseSource(source, m.Group); err != nil {
			return "", m, nil, err
		}
	}
	return from, m, args[1:], nil
}

func startsWithGroup(word string) bool {
	text, _, _ := strings.Cut(word, "/")
	a, err := parseAddress(kwGroup, text)
	return err == nil && a.multicast()
}

// parseOutputs reads interface patterns, and drops those which came before.
func parseOutputs(words []string) ([]mroute.Output, error) {
	var list []mroute.Output
	seen := make(map[string]bool, len(words))
	for _, word := range words {
		name, err := parseName(word)
		if err != nil {
			return nil, err
		}
		if !seen[word] {
			seen[word] = true
			list = append(list, mroute.Output{If: name})
		}
	}
	return list, nil
}

func parseName(word string) (mroute.IfPattern, error) {
	if word == "" {
		return "", errors.New("an empty interface name: expected one like eth0, or eth+ for all that begin with eth")
	}
	if reason := cmp.Or(pins(word), impossible(word)); reason != "" {
		return "", errors.New(reason)
	}
	return mroute.IfPattern(word), nil
}
