package cluster

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// heard is what "mcast recv" knows of a flow, or "mcast send" of what it sent.
type heard struct {
	Source         netip.Addr
	SourcePort     uint16
	Group          netip.Addr
	Packets        uint64
	FirstNumber    uint64
	LastNumber     uint64
	Lost           uint64
	Duplicates     uint64
	MinTTL, MaxTTL int
	LongestPause   float64
	Numbered, Late uint64
}

func (h heard) sg() mroute.SG { return mroute.SG{Source: h.Source, Group: h.Group} }

func (h heard) String() string {
	return fmt.Sprintf("(%v, %v) %d packets, %d to %d, %d lost, %d duplicates, TTL %d to %d, longest pause %.3f s",
		h.Source, h.Group, h.Packets, h.FirstNumber, h.LastNumber, h.Lost, h.Duplicates, h.MinTTL, h.MaxTTL, h.LongestPause)
}

// report is a line of mcast's JSON.
type report struct {
	Final bool
	Flows []heard
}

// lastReport is the last whole line.
func lastReport(out string) (r report, ok bool) {
	lines := strings.Split(out, "\n") // what follows the last "\n" is no line
	return r, len(lines) > 1 && json.Unmarshal([]byte(lines[len(lines)-2]), &r) == nil
}

// of finds the flow that a sender sends.
func (r report) of(h heard) heard {
	for _, f := range r.Flows {
		if f.Group == h.Group && f.SourcePort == h.SourcePort {
			return f
		}
	}
	return heard{}
}

// machine is one outside of the cluster, with its eth0 on the studio's LAN.
type machine struct {
	*netlab.NS
	t *testing.T
}

// mcast is one that runs on a machine.
type mcast struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err programs.Output
}

func (m machine) mcast(command string, args ...string) *mcast {
	m.t.Helper()
	p := &mcast{t: m.t, cmd: m.Command(made("mcast"), append([]string{command, "-i", "eth0", "-o", "json"}, args...)...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	if err := p.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	return p
}

// source is the address that the machine sends from, of a group's family.
func (m machine) source(group string) string {
	m.t.Helper()
	probe := "239.255.255.1"
	if strings.Contains(group, ":") {
		probe = "ff0e::ff:1"
	}
	return m.send(1, probe)[0].Source.String()
}

// receive starts a receiver and waits until it has joined.
func (m machine) receive(groups ...string) *mcast {
	m.t.Helper()
	p := m.mcast("recv", groups...)
	netlab.Await(m.t, patience, func() bool { _, ok := lastReport(p.out.String()); return ok }, "mcast recv to have joined")
	return p
}

// stream starts a sender, of rate packets a second to each group, and returns
// its flows.
func (m machine) stream(rate int, groups ...string) *mcast {
	m.t.Helper()
	p := m.mcast("send", append([]string{"-r", fmt.Sprint(rate)}, groups...)...)
	netlab.Await(m.t, patience, func() bool { return len(p.report().Flows) > 0 || p.err.String() != "" }, "mcast send to send")
	return p
}

// send sends n packets to each group, and returns once they are sent.
func (m machine) send(n int, groups ...string) []heard {
	m.t.Helper()
	p := m.mcast("send", append([]string{"-r", "500", "-n", fmt.Sprint(n)}, groups...)...)
	return p.wait()
}

// report is the last line so far.
func (p *mcast) report() report {
	r, _ := lastReport(p.out.String())
	return r
}

// flows waits for the first line of a sender and returns what it sends, with
// the numbers as they are now.
func (p *mcast) flows() []heard { return p.report().Flows }

// stop ends a program, and returns its summary.
func (p *mcast) stop() []heard {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	return p.wait()
}

func (p *mcast) wait() []heard {
	p.t.Helper()
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("mcast %v: %v\n%s", p.cmd.Args[1:], err, p.err.String())
	}
	r, ok := lastReport(p.out.String())
	if !ok || !r.Final {
		p.t.Fatalf("mcast %v has no summary:\n%s", p.cmd.Args[1:], p.out.String())
	}
	return r.Flows
}

// hears waits until the receiver has heard n packets of a flow.
func (p *mcast) hears(h heard, n uint64) heard {
	p.t.Helper()
	netlab.Await(p.t, patience, func() bool { return p.report().of(h).Packets >= n }, fmt.Sprintf("%d packets of %v; there are %v", n, h, p.report().of(h)))
	return p.report().of(h)
}

// whole checks that all that was sent has come, once.
func whole(t *testing.T, who string, sent, got heard) {
	t.Helper()
	if got.Packets != sent.Packets || got.Lost != 0 || got.Duplicates != 0 || got.FirstNumber != 0 {
		t.Errorf("%s: of %d packets sent: %v", who, sent.Packets, got)
	}
}

// pause waits for a while that a test is about, such as that of an outage.
func pause(d time.Duration) { time.Sleep(d) }
