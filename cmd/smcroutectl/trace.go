package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/smcroute/kube-smcroute/agent/capture"
	"github.com/smcroute/kube-smcroute/agent/draw"
	"github.com/smcroute/kube-smcroute/agent/trace"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// traceCommand is the command trace.
type traceCommand struct {
	group, source netip.Addr
	during        time.Duration
	output        string
	format        draw.Format
	netns         string
	buffer        int // MiB
	allGroups     bool
}

// snap is how much of a packet is captured: all of it on links with the usual MTU, as the
// counters of MPEG-TS are spread over a packet.
const snap = 2048

// grace is how long packets that have come in may take to go out after the end.
const grace = 200 * time.Millisecond

// runTrace follows a stream. The daemon may tell which interfaces it goes by; it is not
// needed.
func runTrace(ctx context.Context, c *control, args []string) int {
	var t traceCommand
	fs := c.flags()
	fs.DurationVar(&t.during, "for", 5*time.Second, "How long to look; Ctrl-C ends it early, `TIME`")
	fs.StringVarP(&t.output, "output", "o", "", "`FORMAT`: wide, json or yaml")
	fs.StringVar(&t.netns, "netns", "", "Network namespace, `FILE`; default: the daemon's, or this one")
	fs.IntVar(&t.buffer, "buffer", 32, "Memory for packets that wait to be looked at, `MIB`")
	fs.BoolVar(&t.allGroups, "all-groups", false, "Meanwhile have interfaces take in groups that nobody joined")
	words, code, ok := c.parse(fs, args)
	if !ok {
		return code
	}
	if err := t.arguments(words); err != nil {
		c.complain(sentence(err))
		return 1
	}
	about := view.About{Group: view.NetOf(t.group)}
	state, complaints := c.state(ctx, about)
	if t.netns == "" && state != nil {
		t.netns = state.NetNS
	}
	report, err := t.follow(ctx, c.stderr, func() (flows []trace.Flow) {
		// Now, and not before: the flow may have been learned meanwhile.
		if state == nil {
			return nil
		}
		if state, complaints = c.state(ctx, about); state == nil {
			return nil
		}
		return trace.Flows(state, t.group)
	})
	if err != nil {
		c.complain(sentence(err))
		return 1
	}
	if len(complaints) > 0 {
		c.complain("Not known which interfaces the stream should take: " + complaints[0])
	}
	if err := t.print(c.stdout, report); err != nil {
		c.complain("Failed writing the report: " + err.Error())
		return 1
	}
	return 0
}

// arguments reads GROUP [SOURCE], and checks the options.
func (t *traceCommand) arguments(words []string) (err error) {
	if len(words) == 0 || len(words) > 2 {
		return fmt.Errorf("found %d arguments, expected GROUP, or GROUP and SOURCE", len(words))
	}
	t.group, err = netip.ParseAddr(words[0])
	if err != nil || !t.group.IsMulticast() || t.group.Zone() != "" {
		return fmt.Errorf("%q is no group: expected a multicast address, as 239.1.1.1 or ff15::1", words[0])
	}
	if len(words) == 2 {
		t.source, err = netip.ParseAddr(words[1])
		if err != nil || t.source.Is4() != t.group.Is4() || t.source.Zone() != "" {
			return fmt.Errorf("%q is no source: expected an address of the group's family", words[1])
		}
	}
	if t.format, err = draw.ParseFormat(t.output); err != nil {
		return err
	}
	if t.during <= 0 {
		return fmt.Errorf("%v is no time to look: expected more than 0, as 5s", t.during)
	}
	if t.buffer < 1 || t.buffer > 4096 {
		return fmt.Errorf("a buffer of %d MiB: expected 1 to 4096", t.buffer)
	}
	return nil
}

// follow captures packets of the stream, and asks for what the router says when all is seen.
func (t *traceCommand) follow(ctx context.Context, stderr io.Writer, flows func() []trace.Flow) (*trace.Report, error) {
	o := capture.Options{NetNS: t.netns, Group: netip.PrefixFrom(t.group, t.group.BitLen()), Snap: snap, Buffer: t.buffer << 20, Wide: t.allGroups}
	if t.source.IsValid() {
		o.Source = netip.PrefixFrom(t.source, t.source.BitLen())
	}
	seen, err := capture.Open(o)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("listening to packets needs root privileges, or CAP_NET_RAW: %w", err)
	}
	if err != nil {
		return nil, err
	}
	defer seen.Close()
	tr := trace.New()
	looking, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	looking, cancel := context.WithTimeout(looking, t.during)
	defer cancel()
	fmt.Fprintf(stderr, "Following %v for %v, or until Ctrl-C.\n", t.group, t.during)

	// Packets from before the end may still be waiting to be read then.
	var end atomic.Int64
	defer context.AfterFunc(looking, func() { end.Store(time.Now().UnixNano()) })()
	add := func(p *capture.Packet) {
		if at := end.Load(); at != 0 && p.Time > at {
			tr.Close(at)
		}
		tr.Add(trace.Point{Link: p.Link, Out: p.Direction == capture.Out, VLAN: p.VLAN}, p.Time, &p.Packet)
	}
	if err := seen.Run(looking, add); err != nil {
		return nil, err
	}
	after, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if err := seen.Run(after, add); err != nil {
		return nil, err
	}
	tr.Close(end.Load())
	stats, err := seen.Stats()
	if err != nil {
		return nil, err
	}
	all, err := capture.Links(t.netns)
	if err != nil {
		return nil, err
	}
	var links []trace.Link
	for _, l := range all {
		links = append(links, trace.Link(l))
	}
	report := tr.Report(links, flows())
	report.Unseen.Dropped, report.Unseen.Broken = stats.Dropped, stats.Broken
	return report, nil
}

// print prints the report in the format that was asked for.
func (t *traceCommand) print(w io.Writer, r *trace.Report) error {
	if t.format == draw.JSON || t.format == draw.YAML {
		text, err := draw.Document(r, t.format)
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, text)
		return err
	}
	if len(r.Streams) == 0 {
		from := ""
		if t.source.IsValid() {
			from = fmt.Sprintf(" from %v", t.source)
		}
		_, err := fmt.Fprintf(w, "No packet%s to %v came in or went out.\n", from, t.group)
		return err
	}
	return trace.WriteText(w, r, t.format == draw.Wide)
}
