package script

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// stream is numbered packets that a script sends all the time.
type stream struct {
	*netlab.Stream
	from   string // NS:IF
	packet netlab.Packet
	after  uint64 // a number before which gaps are allowed
}

// runStream begins to send, when one packet has made its way to each capture of
// the other arguments: a flow may have to be learned first.
func runStream(l *lab, args []string) (result, error) {
	ns, link, err := l.iface(args[0])
	if err != nil {
		return result{}, err
	}
	sg, err := parseSG(args[1], args[2])
	if err != nil {
		return result{}, err
	}
	if l.streams[sg] != nil {
		return result{}, usagef("there is a stream of %v already", sg)
	}
	pps, words := 2000, args[3:]
	if n := len(words); n > 0 && strings.HasPrefix(words[n-1], "pps=") {
		if err := options(words[n-1:], map[string]*int{"pps": &pps}); err != nil {
			return result{}, err
		}
		words = words[:n-1]
	}
	p := netlab.Packet{Src: sg.Source, Group: sg.Group, TTL: 16}
	for _, to := range words {
		c := l.captures[to]
		if c == nil {
			return result{}, usagef("nothing is captured on %s: use capture before stream", to)
		}
		probe := p
		probe.Payload = []byte("no number")
		if !await(func() bool { ns.Send(link, probe); return c.Count(sg) > 0 }) {
			return result{}, fmt.Errorf("no packet of %v has arrived on %s", sg, to)
		}
		c.Forget(sg)
	}
	l.streams[sg] = &stream{Stream: ns.Stream(context.Background(), link, p, pps), from: args[0], packet: p}
	return result{}, nil
}

// runSilence ends a stream, whose packets arrive, or did until some moment. More
// than these are an error at the end.
func runSilence(l *lab, args []string) (result, error) {
	sg, err := parseSG(args[0], args[1])
	if err != nil {
		return result{}, err
	}
	s := l.streams[sg]
	if s == nil {
		return result{}, usagef("there is no stream of %v", sg)
	}
	delete(l.streams, sg)
	sent, err := s.Stop()
	for _, c := range l.captures {
		if c.Count(sg) > 0 {
			// What does not arrive by then does not.
			netlab.Poll(deadline/10, func() bool { return c.Has(sg, sent-1) })
			c.claimed[sg] = c.Flow(netlab.In, sg)
		}
	}
	return result{}, err
}

// chosen are the streams named by "S G", or all.
func (l *lab) chosen(args []string) (map[mroute.SG]*stream, error) {
	if len(args) == 0 {
		return l.streams, nil
	}
	if len(args) != 2 {
		return nil, usagef("%q: expected a source and a group, or nothing", args)
	}
	sg, err := parseSG(args[0], args[1])
	if err != nil {
		return nil, err
	}
	if l.streams[sg] == nil {
		return nil, usagef("there is no stream of %v", sg)
	}
	return map[mroute.SG]*stream{sg: l.streams[sg]}, nil
}

// gaps waits until what was sent until now has arrived, as far as it does, and
// tells what has not.
func (c *capture) gaps(sg mroute.SG, s *stream) (gaps []netlab.Gap, sent uint64, flow netlab.Flow) {
	await(func() bool { sent = s.Sent(); return sent > 0 })
	await(func() bool { return c.Has(sg, sent-1) || s.Sent() > sent+20_000 }) // or it is lost
	flow = c.Flow(netlab.In, sg)
	return c.missing(sg, s, sent), sent, flow
}

// missing are gaps up to a number. A packet may overtake another, if different processors
// send them.
func (c *capture) missing(sg mroute.SG, s *stream, sent uint64) []netlab.Gap {
	flow := c.Flow(netlab.In, sg)
	return slices.DeleteFunc(flow.Gaps(sent), func(g netlab.Gap) bool { return g.Last < s.after })
}

func runLossless(l *lab, args []string) (result, error) {
	c := l.captures[args[0]]
	if c == nil {
		return result{}, usagef("nothing is captured on %s", args[0])
	}
	streams, err := l.chosen(args[1:])
	if err != nil {
		return result{}, err
	}
	if len(streams) == 0 {
		return result{}, usagef("there is no stream")
	}
	if n := c.Dropped(); n > 0 {
		return result{}, fmt.Errorf("the capture on %s lost %d packets itself: what is missing says nothing about the router", args[0], n)
	}
	var out strings.Builder
	for sg, s := range streams {
		gaps, sent, flow := c.gaps(sg, s)
		await(func() bool {
			if len(gaps) > 0 { // or overtaken
				gaps = c.missing(sg, s, sent)
			}
			return len(gaps) == 0 || s.Sent() > sent+20_000
		})
		if len(gaps) > 0 || flow.Duplicates > 0 {
			return result{}, fmt.Errorf("of %d packets of %v these did not arrive on %s: %v; %d came twice", sent, sg, args[0], gaps, flow.Duplicates)
		}
		fmt.Fprintf(&out, "%v: all of %d packets\n", sg, sent)
	}
	return result{stdout: out.String()}, nil
}

// runLossy waits until packets arrive again after some were lost.
func runLossy(l *lab, args []string) (result, error) {
	c := l.captures[args[0]]
	if c == nil {
		return result{}, usagef("nothing is captured on %s", args[0])
	}
	streams, err := l.chosen(args[1:])
	if err != nil {
		return result{}, err
	}
	var out strings.Builder
	for sg, s := range streams {
		gaps, sent, _ := c.gaps(sg, s)
		if len(gaps) == 0 {
			return result{}, fmt.Errorf("all of %d packets of %v have arrived on %s, expected a loss", sent, sg, args[0])
		}
		s.after = gaps[len(gaps)-1].Last + 1
		fmt.Fprintf(&out, "%v: lost %v\n", sg, gaps)
	}
	return result{stdout: out.String()}, nil
}

// runLeaves tells what gave up memberships on a link since the first call.
func runLeaves(l *lab, args []string) (result, error) {
	if l.leaves[args[0]] == nil {
		ns, link, err := l.iface(args[0])
		if err != nil {
			return result{}, err
		}
		l.leaves[args[0]] = ns.Leaves(link)
	}
	return result{stdout: strings.Join(l.leaves[args[0]].Seen(), "\n")}, nil
}

// runCounters compares the counters of a daemon's flows with those at the call
// before.
func runCounters(l *lab, args []string) (result, error) {
	r, err := l.exec(l.client(args[0], "-j", "show", "routes"))
	if err != nil {
		return r, err
	}
	var shown struct {
		Routes struct {
			Kernel []struct {
				Source, Group  string
				IIF            string
				OIFs           []string
				Packets, Bytes uint64
				Kind           string
			}
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &shown); err != nil {
		return r, err
	}
	before, now := l.counters[args[0]], map[string]uint64{}
	for _, e := range shown.Routes.Kernel {
		if len(e.OIFs) == 0 {
			continue // a stop filter
		}
		flow := fmt.Sprintf("(%s, %s)", e.Source, e.Group)
		now[flow] = e.Packets
		if e.Packets < before[flow] {
			return r, fmt.Errorf("%s had %d packets, and now has %d", flow, before[flow], e.Packets)
		}
	}
	l.counters[args[0]] = now
	return r, nil
}

// client is smcroutectl for the daemon of a namespace.
func (l *lab) client(name string, args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(l.dir, "smcroutectl"), append([]string{"-u", l.file(name + ".sock")}, args...)...)
}
