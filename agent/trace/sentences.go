package trace

import (
	"fmt"
	"slices"
)

// sentences say what a person should know of the stream.
func (s *Stream) sentences() []string {
	lines := []string{}
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if len(s.At) > 0 && !slices.ContainsFunc(s.At, func(a At) bool { return a.Direction == "in" && a.Packets > 0 }) {
		say("No packet came in: this node sends the stream itself.")
	}
	for _, a := range s.entries() {
		s.arrival(a, say)
	}
	for i := range s.Hops {
		s.Hops[i].say(say, s.Numbers)
	}
	ins, outs := 0, 0
	for i := range s.At {
		switch a := &s.At[i]; {
		case a.Direction == "out":
			outs++
		case a.Packets > 0:
			ins++
			if a.MaxTTL <= 1 {
				say("All packets come in at %s with TTL %d: they cannot be forwarded. Have the sender set a higher one.", a.Name(), a.MaxTTL)
			} else if a.MinTTL <= 1 {
				say("Some packets come in at %s with TTL %d: these cannot be forwarded.", a.Name(), a.MinTTL)
			}
			if a.Route == "" && slices.ContainsFunc(s.At, func(b At) bool { return b.Route != "" }) && !s.leads(a) {
				say("Packets come in at %s, which is not the inbound interface of the router's entry.", a.Name())
			}
		}
		if a := &s.At[i]; a.Copies > 0 {
			s.copies(a, say)
		}
	}
	if ins > 0 && outs == 0 && !s.Fragments {
		say("Packets come in and none goes out: no router on this node has a route for them, or it does not hold where they come in.")
	}
	return lines
}

// entries are the points where the stream enters the node, or leaves it if it is made here.
func (s *Stream) entries() (first []*At) {
	for _, direction := range []string{"in", "out"} {
		for i := range s.At {
			a := &s.At[i]
			led := slices.ContainsFunc(s.Hops, func(h Hop) bool { return h.to == a.point })
			if a.Direction == direction && a.Packets > 0 && !led {
				first = append(first, a)
			}
		}
		if first != nil {
			return first
		}
	}
	return nil
}

// leads reports whether packets go on from a to another interface by which they come in.
func (s *Stream) leads(a *At) bool {
	return slices.ContainsFunc(s.Hops, func(h Hop) bool { return h.from == a.point && !h.to.Out })
}

// arrival says what was lost before the node.
func (s *Stream) arrival(a *At, say func(string, ...any)) {
	verb := "arrives at " + a.Name()
	if a.Direction == "out" {
		verb = "leaves " + a.Name() + ", where it is sent,"
	}
	for _, q := range a.sequences() {
		if q.Missing > 0 {
			say("It %s with %s missing already (%s): lost before this node.", verb, packets(q.Missing), Numbers(q.Which, listed))
		}
		if q.Leaps > 0 {
			say("Numbers leap %d times at %s: the sender began anew, or thousands of packets in a row were lost before this node.", q.Leaps, a.Name())
		}
	}
	if ts := a.MPEGTS; ts != nil && ts.Errors > 0 {
		say("MPEG-TS has %d continuity errors at %s already: lost before this node, or made by the sender.", ts.Errors, a.Name())
	}
	if ts := a.MPEGTS; ts != nil && ts.Broken > 0 {
		say("%s of MPEG-TS came marked as damaged by whoever sent them, at %s.", packets(ts.Broken), a.Name())
	}
}

// say tells what was lost on the way.
func (h *Hop) say(say func(string, ...any), numbers string) {
	if h.In == 0 && h.Other == 0 {
		return // nothing was compared
	}
	text := fmt.Sprintf("%s -> %s: %d in, %d out", h.From, h.To, h.In, h.Out)
	switch {
	case h.Lost == 0:
		text += ", none lost"
	case h.Out == 0:
		text += ": all lost between"
	default:
		text += fmt.Sprintf(": %d lost between", h.Lost)
		if len(h.Which) > 0 {
			name := map[string]string{"rtp": "sequence number", "mcast": "number", "id": "IP identification"}[numbers]
			text += fmt.Sprintf(" (%s %s)", name, Numbers(h.Which, listed))
		}
		text += fmt.Sprintf(", from %.3f s to %.3f s", h.First, h.Last)
	}
	if h.Other > 0 {
		text += fmt.Sprintf("; %d more went out that did not come from %s", h.Other, h.From)
	}
	say("%s.", text)
}

// copies says that packets came more than once.
func (s *Stream) copies(a *At, say func(string, ...any)) {
	if s.Numbers == "content" {
		say("%s at %s cannot be told from others: they are just like them.", packets(a.Copies), a.Name())
		return
	}
	say("%s had passed %s before: a loop, two paths, or a sender that repeats itself.", packets(a.Copies), a.Name())
}

// sentences say what was not seen.
func (u *Unseen) sentences() (lines []string) {
	say := func(n uint64, format string) {
		if n > 0 {
			lines = append(lines, fmt.Sprintf(format, packets(n)))
		}
	}
	say(u.Dropped, "This program was too slow for %s: all that is said of lost packets may be wrong.")
	say(u.Broken, "%s had headers that make no sense.")
	say(u.Skipped, "%s belonged to more streams, or came by more interfaces, than are followed.")
	say(u.Alike, "%s could not be told from others, and were not compared.")
	if u.Sample > 1 {
		lines = append(lines, fmt.Sprintf("There were too many packets to compare all: one of %d was, %d were left.", u.Sample, u.Left))
	}
	return lines
}

// packets writes a number of packets for a person.
func packets(n uint64) string {
	if n == 1 {
		return "1 packet"
	}
	return fmt.Sprintf("%d packets", n)
}
