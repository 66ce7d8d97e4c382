package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

func TestMain(m *testing.M) { programs.MainOf(m, program) }

const patience = 20 * time.Second

func addr4(c, d byte) netip.Addr { return netip.AddrFrom4([4]byte{239, 1, c, d}) }

// pair is two machines on two networks:
//
//	left eth0 ─── eth0 right     10.0.0.1, 2001:db8::1   10.0.0.2
//	     eth1 ─── eth1           10.0.1.1                10.0.1.2
type pair struct {
	t           *testing.T
	left, right *netlab.NS
}

func newPair(t *testing.T) *pair {
	p := &pair{t: t, left: netlab.New(t), right: netlab.New(t)}
	for _, link := range []string{"eth0", "eth1"} {
		p.left.Veth(link, p.right, link)
	}
	for _, a := range []string{"10.0.0.1/24", "2001:db8::1/64"} {
		p.left.AddAddr("eth0", netip.MustParsePrefix(a))
	}
	p.left.AddAddr("eth1", netip.MustParsePrefix("10.0.1.1/24"))
	p.right.AddAddr("eth0", netip.MustParsePrefix("10.0.0.2/24"))
	p.right.AddAddr("eth1", netip.MustParsePrefix("10.0.1.2/24"))
	return p
}

// started is an mcast that runs.
type started struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err programs.Output
}

func (p *pair) start(ns *netlab.NS, args ...string) *started {
	p.t.Helper()
	s := &started{t: p.t, cmd: ns.Command(filepath.Join(programs.Dir(), program), args...)}
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.err
	if err := s.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	return s
}

// code waits for the end and returns the exit code.
func (s *started) code() int {
	s.t.Helper()
	var exit *exec.ExitError
	if err := s.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return s.cmd.ProcessState.ExitCode()
}

// last is the last line of JSON, which must be the final one.
func (s *started) last() (r report) {
	s.t.Helper()
	lines := strings.Split(strings.TrimSpace(s.out.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil || !r.Final {
		s.t.Fatalf("no final line of JSON: %v\n%s%s", err, s.out.String(), s.err.String())
	}
	return r
}

// awaitJoined waits until something has joined a group on a link.
func (p *pair) awaitJoined(ns *netlab.NS, link, group string) {
	p.t.Helper()
	want := netip.MustParseAddr(group)
	netlab.Await(p.t, patience, func() bool {
		for _, sg := range ns.Memberships(link) {
			if sg.Group == want {
				return true
			}
		}
		return false
	}, group+" to be joined on "+link)
}

// What one sends the other receives, IPv4 and IPv6: all of it, with its TTL.
func TestSendReceive(t *testing.T) {
	p := newPair(t)
	recv := p.start(p.right, "recv", "-i", "eth0", "-o", "json", "-n", "200", "-d", "20s", "239.1.1.1", "ff3e::1:1")
	p.awaitJoined(p.right, "eth0", "239.1.1.1")
	p.awaitJoined(p.right, "eth0", "ff3e::1:1")
	send := p.start(p.left, "send", "-i", "eth0", "-n", "100", "-r", "1000", "239.1.1.1", "ff3e::1:1")
	if code := send.code(); code != 0 {
		t.Fatalf("send ended with %d: %s", code, send.err.String())
	}
	for _, want := range []string{
		"sending from 10.0.0.1 to 239.1.1.1 on eth0, port 5004, TTL 64\n",
		"(2001:db8::1, ff3e::1:1) 100 packets sent, TTL 64\n",
	} {
		if !strings.Contains(send.out.String(), want) {
			t.Errorf("send did not say %q:\n%s", want, send.out.String())
		}
	}
	if code := recv.code(); code != 0 {
		t.Fatalf("recv ended with %d: %s", code, recv.err.String())
	}
	r := recv.last()
	if len(r.Flows) != 2 || r.Packets != 200 {
		t.Fatalf("received %+v", r)
	}
	for i, want := range []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")} {
		f := r.Flows[i]
		if f.Source != want || f.Packets != 100 || f.Numbered != 100 || f.Bytes != 6400 || f.FirstNumber != 0 || f.LastNumber != 99 ||
			f.Lost+f.Duplicates+f.Late != 0 || f.MinTTL != 64 || f.MaxTTL != 64 {
			t.Errorf("received %+v", f)
		}
	}
}

// Captures understand what is sent, and streams are understood.
func TestPayloadIsNetlabs(t *testing.T) {
	p := newPair(t)
	capture := p.right.Capture("eth0")
	if code := p.start(p.left, "send", "-i", "eth0", "-t", "7", "-n", "50", "-r", "1000", "-s", "1000", "239.1.1.1").code(); code != 0 {
		t.Fatalf("send ended with %d", code)
	}
	sg := mroute.SG{Source: netip.MustParseAddr("10.0.0.1"), Group: netip.MustParseAddr("239.1.1.1")}
	capture.Await(sg, 50, patience)
	if f := capture.Flow(netlab.In, sg); f.Distinct() != 50 || f.TTLs[7] != 50 || f.Bytes != 50_000 {
		t.Errorf("captured %+v", f)
	}

	recv := p.start(p.right, "recv", "-i", "eth0", "-p", "5001", "-o", "json", "-d", "20s", "-n", "51", "239.1.1.2")
	p.awaitJoined(p.right, "eth0", "239.1.1.2")
	packet := netlab.Packet{Src: netip.MustParseAddr("10.0.0.77"), Group: netip.MustParseAddr("239.1.1.2"), TTL: 3}
	p.left.SendBurst("eth0", packet, 0, 30)
	p.left.SendBurst("eth0", packet, 40, 20) // ten are missing
	p.left.SendBurst("eth0", packet, 59, 1)  // one comes again
	if code := recv.code(); code != 0 {
		t.Fatalf("recv ended with %d: %s", code, recv.err.String())
	}
	if f := recv.last().Flows[0]; f.Numbered != 51 || f.Lost != 10 || f.Duplicates != 1 || f.MaxTTL != 3 || f.Source != packet.Src {
		t.Errorf("received %+v", f)
	}
}

// A group joined on one interface is not received on another, where somebody
// else has joined it.
func TestInterface(t *testing.T) {
	p := newPair(t)
	other := p.start(p.right, "recv", "-i", "eth1", "-o", "json", "-n", "20", "-d", "20s", "239.1.1.1")
	recv := p.start(p.right, "recv", "-i", "eth0", "-o", "json", "-n", "10", "-d", "20s", "239.1.1.1")
	p.awaitJoined(p.right, "eth1", "239.1.1.1")
	p.awaitJoined(p.right, "eth0", "239.1.1.1")
	p.start(p.left, "send", "-i", "eth1", "-n", "20", "-r", "1000", "239.1.1.1").code()
	if code := other.code(); code != 0 {
		t.Errorf("recv on eth1 ended with %d: %s", code, other.err.String())
	}
	p.start(p.left, "send", "-i", "eth0", "-n", "10", "-r", "1000", "239.1.1.1").code()
	if code := recv.code(); code != 0 {
		t.Errorf("recv on eth0 ended with %d: %s", code, recv.err.String())
	}
	if r := recv.last(); len(r.Flows) != 1 || r.Flows[0].Source != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("received on eth0: %+v", r)
	}
}

// With a source, packets of others don't count.
func TestSource(t *testing.T) {
	p := newPair(t)
	recv := p.start(p.right, "recv", "-i", "eth0", "-p", "5001", "-o", "json", "-n", "2", "-d", "20s",
		"--source", "10.0.0.9", "--source", "2001:db8::9", "232.1.1.1", "ff3e::1:1")
	p.awaitJoined(p.right, "eth0", "232.1.1.1")
	p.awaitJoined(p.right, "eth0", "ff3e::1:1")
	for _, source := range []string{"10.0.0.8", "10.0.0.9"} {
		p.left.Send("eth0", netlab.Packet{Src: netip.MustParseAddr(source), Group: netip.MustParseAddr("232.1.1.1")})
	}
	for _, source := range []string{"2001:db8::8", "2001:db8::9"} {
		p.left.Send("eth0", netlab.Packet{Src: netip.MustParseAddr(source), Group: netip.MustParseAddr("ff3e::1:1")})
	}
	recv.code()
	r := recv.last()
	if len(r.Flows) != 2 || r.Flows[0].Source.String() != "10.0.0.9" || r.Flows[1].Source.String() != "2001:db8::9" {
		t.Errorf("received %+v", r)
	}
}

// SIGTERM, as from a kubelet, gives the summary and success.
func TestSIGTERM(t *testing.T) {
	p := newPair(t)
	recv := p.start(p.right, "recv", "-i", "eth0", "239.1.1.1")
	send := p.start(p.left, "send", "-i", "eth0", "-r", "100", "239.1.1.1")
	netlab.Await(t, patience, func() bool { return strings.Contains(recv.out.String(), "(10.0.0.1, 239.1.1.1)") }, "a line of recv")
	for _, s := range []*started{send, recv} {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		if code := s.code(); code != 0 {
			t.Errorf("%v ended with %d: %s", s.cmd.Args, code, s.err.String())
		}
	}
	if out := recv.out.String(); !strings.HasPrefix(out, "joined 239.1.1.1 on eth0, port 5004\n") ||
		strings.Count(out, " 0 lost, 0 duplicates, TTL 64\n") < 2 {
		t.Errorf("recv said:\n%s", out)
	}
	if out := send.out.String(); !strings.Contains(out, " packets sent, TTL 64\n") {
		t.Errorf("send said:\n%s", out)
	}
}

// Failures say what is wrong and what to do.
func TestFailures(t *testing.T) {
	p := newPair(t)
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"recv", "-i", "eth0", "-d", "10ms", "239.1.1.1"}, 1, "0 packets arrived in 10ms, expected at least 1"},
		{[]string{"recv", "-i", "eth9", "239.1.1.1"}, 1, "there is no interface eth9"},
		{[]string{"recv", "239.1.1.1"}, 1, "joining 239.1.1.1: no such device; no route tells the interface: name it with -i"},
		{[]string{"send", "239.1.1.1"}, 1, "network is unreachable; no route tells the interface: name it with -i"},
		{[]string{"send", "ff02::42"}, 1, "sending to ff02::42: invalid argument; no route tells the interface: name it with -i"},
		{[]string{"recv", "-i", "eth0", "--source=10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5,10.0.0.6,10.0.0.7,10.0.0.8,10.0.0.9,10.0.0.10,10.0.0.11", "232.1.1.1"}, 1,
			"no buffer space available; more sources than net.ipv4.igmp_max_msf allows"},
		{[]string{"send", "-i", "eth0", "-d", "0.0001ms", "10.1.1.1"}, 64, "10.1.1.1 is not a multicast group"},
	} {
		s := p.start(netlab.New(t), tt.args...)
		if tt.args[1] == "-i" {
			s = p.start(p.right, tt.args...)
		}
		if code := s.code(); code != tt.code || !strings.Contains(s.err.String(), tt.says) {
			t.Errorf("mcast %v ended with %d, saying %q; expected %d, %q", tt.args, code, s.err.String(), tt.code, tt.says)
		}
	}
}

func TestCommandLine(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"", "expected a command: send or recv"},
		{"listen 239.1.1.1", `unknown command "listen": expected send or recv`},
		{"recv", "recv: expected a group, as in 239.1.2.3 or ff0e::42"},
		{"recv 239.1.1.256", "239.1.1.256 is not a multicast group"},
		{"recv ff02::1%eth0", "ff02::1%eth0 is not a multicast group"},
		{"recv 239.1.1.1 ff0e::1 239.1.1.1", "the group 239.1.1.1 is there twice"},
		{"recv ::ffff:239.1.1.1", "is not a multicast group"},
		{"recv -t 3 239.1.1.1", "--ttl is for send"},
		{"recv -o xml 239.1.1.1", "--output xml: expected text or json"},
		{"recv --source 2001:db8::1 232.1.1.1", "232.1.1.1 has no --source of its family"},
		{"recv --source 232.1.1.1 232.1.1.1", "--source 232.1.1.1 is not the address of a source"},
		{"send --source 10.0.0.1 232.1.1.1", "--source is for recv"},
		{"send -t 256 239.1.1.1", "--ttl 256: expected 0 to 255"},
		{"send -r 0 239.1.1.1", "--rate 0: expected 1 to 1000000 packets a second"},
		{"send -s 15 239.1.1.1", "--size 15: expected 16 to 65507 bytes"},
		{"send -p 0 239.1.1.1", "--port 0: expected 1 to 65535"},
		{"send -d -1s 239.1.1.1", "--duration -1s: expected 0s or more"},
		{"send --nonsense 239.1.1.1", "unknown flag: --nonsense"},
	} {
		var out, errOut bytes.Buffer
		code := run(context.Background(), strings.Fields(tt.line), &out, &errOut)
		if code != exitUsage || !strings.Contains(errOut.String(), tt.want) {
			t.Errorf("mcast %s: %d, %q; expected %q", tt.line, code, errOut.String(), tt.want)
		}
	}
	for line, want := range map[string]string{"-h": "Usage:\n", "send --help": "Options of send:", "-v": "mcast v"} {
		var out, errOut bytes.Buffer
		if code := run(context.Background(), strings.Fields(line), &out, &errOut); code != 0 || !strings.Contains(out.String(), want) {
			t.Errorf("mcast %s: %d, %q, %q", line, code, out.String(), errOut.String())
		}
	}
}
