package trace

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// listed is how many numbers a sentence names.
const listed = 8

// WriteText writes a report for a person: for each stream a table of interfaces and what is to
// be said about it. wide adds a line for each numbered part of a stream.
func WriteText(w io.Writer, r *Report, wide bool) error {
	var b strings.Builder
	for i := range r.Streams {
		if i > 0 {
			b.WriteByte('\n')
		}
		r.Streams[i].write(&b, wide)
	}
	for _, line := range r.Unseen.sentences() {
		fmt.Fprintln(&b, line)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *Stream) write(b *strings.Builder, wide bool) {
	fmt.Fprintln(b, s.title())
	t := tabwriter.NewWriter(b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "  INTERFACE\tDIRECTION\tPACKETS\tBYTES\tRATE\tTTL\tMISSING\tREORDERED\tCOPIES")
	for i := range s.At {
		a := &s.At[i]
		missing, reordered := a.numbers()
		fmt.Fprintf(t, "  %s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%d\n",
			a.Name(), a.role(), a.Packets, a.Bytes, a.rate(), a.ttl(), missing, reordered, a.Copies)
	}
	_ = t.Flush() // b does not fail
	if wide {
		for i := range s.At {
			s.At[i].writeParts(b)
		}
	}
	for _, line := range s.Says {
		fmt.Fprintln(b, "  "+line)
	}
}

// title names the stream.
func (s *Stream) title() string {
	from, to := s.Source.String(), s.Group.String()
	if s.PortFrom|s.PortTo != 0 {
		from, to = join(from, s.PortFrom), join(to, s.PortTo)
	}
	text := from + " -> " + to
	switch {
	case s.Fragments:
		text += ", later fragments"
	case s.Protocol != 17:
		text += fmt.Sprintf(", protocol %d of IP", s.Protocol)
	}
	if kind := s.kind(); kind != "" {
		text += ", " + kind
	}
	return text
}

func join(addr string, port uint16) string {
	if strings.Contains(addr, ":") {
		addr = "[" + addr + "]"
	}
	return fmt.Sprintf("%s:%d", addr, port)
}

// kind says what is in the stream, if that is known.
func (s *Stream) kind() string {
	var rtp, ts, mcast bool
	for i := range s.At {
		rtp = rtp || s.At[i].RTP != nil
		ts = ts || s.At[i].MPEGTS != nil
		mcast = mcast || s.At[i].Mcast != nil
	}
	switch {
	case rtp && ts:
		return "MPEG-TS over RTP"
	case rtp:
		return "RTP"
	case ts:
		return "MPEG-TS"
	case mcast:
		return "numbered by mcast"
	}
	return ""
}

// role is the direction, and what the router says.
func (a *At) role() string {
	if a.Route != "" {
		return fmt.Sprintf("%s (%s)", a.Direction, a.Route)
	}
	return a.Direction
}

func (a *At) rate() string {
	if a.Rate == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f/s %s", a.Rate, bitRate(a.Bits))
}

// bitRate writes bits a second.
func bitRate(bits float64) string {
	for _, unit := range []struct {
		of   float64
		name string
	}{{1e9, "Gbit/s"}, {1e6, "Mbit/s"}, {1e3, "kbit/s"}} {
		if bits >= unit.of {
			return fmt.Sprintf("%.1f %s", bits/unit.of, unit.name)
		}
	}
	return fmt.Sprintf("%.0f bit/s", bits)
}

func (a *At) ttl() string {
	switch {
	case a.Packets == 0:
		return "-"
	case a.MinTTL == a.MaxTTL:
		return fmt.Sprint(a.MinTTL)
	}
	return fmt.Sprintf("%d-%d", a.MinTTL, a.MaxTTL)
}

// sequences are the numbers of the stream here, of all its sources.
func (a *At) sequences() (all []*Sequence) {
	for i := range a.RTP {
		all = append(all, &a.RTP[i].Sequence)
	}
	if a.Mcast != nil {
		all = append(all, a.Mcast)
	}
	return all
}

// numbers are how many are missing and out of order, "-" if there are none to go by.
func (a *At) numbers() (missing, reordered string) {
	all := a.sequences()
	if len(all) == 0 {
		return "-", "-"
	}
	var m, r uint64
	for _, s := range all {
		m += s.Missing
		r += s.Reordered
	}
	return fmt.Sprint(m), fmt.Sprint(r)
}

// writeParts writes a line for each part of the stream that has numbers of its own.
func (a *At) writeParts(b *strings.Builder) {
	where := a.Direction + " " + a.Name()
	for _, r := range a.RTP {
		fmt.Fprintf(b, "  %s: RTP SSRC %#08x, payload type %d: %d packets, %s\n", where, r.SSRC, r.Type, r.Packets, r.text())
	}
	if a.Mcast != nil {
		fmt.Fprintf(b, "  %s: mcast: %d packets, %s\n", where, a.Mcast.Packets, a.Mcast.text())
	}
	if a.MPEGTS != nil {
		for _, p := range a.MPEGTS.PIDs {
			fmt.Fprintf(b, "  %s: PID %d: %d packets, %d continuity errors\n", where, p.PID, p.Packets, p.Errors)
		}
	}
}

func (s *Sequence) text() string {
	text := fmt.Sprintf("%d missing", s.Missing)
	if s.Missing > 0 {
		text += " (" + Numbers(s.Which, listed) + ")"
	}
	return text + fmt.Sprintf(", %d reordered, %d duplicates, %d leaps", s.Reordered, s.Duplicates, s.Leaps)
}
