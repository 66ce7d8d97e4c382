package trace

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	report "github.com/smcroute/kube-smcroute/agent/trace"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

func TestMain(m *testing.M) { programs.Main(m) }

const deadline = 20 * time.Second

// lab is a node between a sender and two receivers:
//
//	sender:eth0 ---- in:node:out1 ---- eth0:receiver
//	                        :out2 ---- eth1:receiver
type lab struct {
	testing.TB
	sender, node, receiver *netlab.NS
	socket                 string

	took time.Duration // time of processors that the last trace took
}

func newLab(t testing.TB) *lab {
	l := &lab{TB: t, sender: netlab.New(t), node: netlab.New(t), receiver: netlab.New(t)}
	l.sender.Veth("eth0", l.node, "in")
	l.node.Veth("out1", l.receiver, "eth0")
	l.node.Veth("out2", l.receiver, "eth1")
	l.socket = filepath.Join(t.TempDir(), "sock")
	return l
}

// flows are one of each family.
var flows = []mroute.SG{
	{Source: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr("239.1.1.1")},
	{Source: netip.MustParseAddr("2001:db8::1"), Group: netip.MustParseAddr("ff15::1")},
}

// eachFamily runs a test for a flow of each.
func eachFamily(t *testing.T, f func(t *testing.T, sg mroute.SG)) {
	for _, sg := range flows {
		t.Run(sg.Family().String(), func(t *testing.T) { f(t, sg) })
	}
}

// route starts smcrouted on the node with one route for the flow.
func (l *lab) route(sg mroute.SG, from string, to ...string) {
	l.Helper()
	l.start(line(sg, from, to...))
}

// line is that of a configuration for a flow.
func line(sg mroute.SG, from string, to ...string) string {
	return fmt.Sprintf("mroute from %s source %v group %v to %s\n", from, sg.Source, sg.Group, strings.Join(to, " "))
}

// start starts smcrouted on the node, with these lines as its configuration, until the test
// ends.
func (l *lab) start(lines ...string) {
	l.Helper()
	dir := l.TempDir()
	conf, pid := filepath.Join(dir, "conf"), filepath.Join(dir, "pid")
	if err := os.WriteFile(conf, []byte(strings.Join(lines, "")), 0o600); err != nil {
		l.Fatal(err)
	}
	cmd := l.node.Command("smcrouted", "-n", "-f", conf, "-P", pid, "-u", l.socket)
	programs.RunDaemon(l, cmd, pid, deadline)
}

// trace runs smcroutectl trace on the node while send sends, which arrives in order, ends
// it as Ctrl-C does when the node has handled all of that, and returns what it printed.
func (l *lab) trace(send func(), args ...string) string {
	l.Helper()
	var out bytes.Buffer
	errs := &programs.Output{}
	cmd := l.node.Command("smcroutectl", append([]string{"-u", l.socket, "trace", "--for", "10m"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, errs
	if err := cmd.Start(); err != nil {
		l.Fatal(err)
	}
	netlab.Await(l, deadline, func() bool { return strings.Contains(errs.String(), "Following") }, "smcroutectl trace to listen")
	if err := netlab.InOrder(send); err != nil {
		l.Fatal(err)
	}
	netlab.Flush(l, 1, deadline)
	if err := cmd.Process.Signal(unix.SIGINT); err != nil {
		l.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		l.Fatalf("smcroutectl trace: %v\n%s", err, errs)
	}
	l.took = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	l.Logf("smcroutectl trace %s\n%s%s", strings.Join(args, " "), errs, &out)
	return out.String()
}

// follow is trace, as JSON; of a single stream.
func (l *lab) follow(sg mroute.SG, send func()) report.Stream {
	l.Helper()
	var r report.Report
	if err := json.Unmarshal([]byte(l.trace(send, sg.Group.String(), sg.Source.String(), "-o", "json")), &r); err != nil {
		l.Fatal(err)
	}
	if len(r.Streams) != 1 {
		l.Fatalf("got %d streams, want 1", len(r.Streams))
	}
	if r.Unseen != (report.Unseen{Sample: 1}) {
		l.Errorf("not all was seen: %+v", r.Unseen)
	}
	return r.Streams[0]
}

// at finds an interface in a stream.
func (l *lab) at(s *report.Stream, direction, name string) *report.At {
	l.Helper()
	for i := range s.At {
		if a := &s.At[i]; a.Direction == direction && a.Name() == name {
			return a
		}
	}
	l.Fatalf("the stream was not seen %s at %s: %+v", direction, name, s.At)
	return nil
}

// hop finds the way between two interfaces.
func (l *lab) hop(s *report.Stream, from, to string) report.Hop {
	l.Helper()
	for _, h := range s.Hops {
		if h.From == from && h.To == to {
			return h
		}
	}
	l.Fatalf("nothing is told of the way from %s to %s: %+v", from, to, s.Hops)
	return report.Hop{}
}

// rtp is a packet of RTP (RFC 3550, section 5.1), of payload type 96, or 33 of MPEG-TS.
func rtp(kind uint8, seq uint16, payload ...byte) []byte {
	p := binary.BigEndian.AppendUint16([]byte{0x80, kind}, seq)
	p = binary.BigEndian.AppendUint32(p, 90*uint32(seq)) // time
	p = binary.BigEndian.AppendUint32(p, 0xfeedbeef)     // SSRC
	return append(p, payload...)
}

// ts are seven packets of MPEG-TS with PID 256, the first of which has number n of all.
func ts(n int) (p []byte) {
	for i := n; i < n+7; i++ {
		packet := make([]byte, 188)
		packet[0], packet[1], packet[3] = 0x47, 1, 0x10|byte(i&0xf)
		binary.BigEndian.PutUint32(packet[4:], uint32(i))
		p = append(p, packet...)
	}
	return p
}

// send sends a packet of a flow.
func (l *lab) send(sg mroute.SG, ttl uint8, payload []byte) {
	l.Helper()
	l.sender.Send("eth0", netlab.Packet{Src: sg.Source, Group: sg.Group, TTL: ttl, Payload: payload})
}

// dropLength has the node's firewall drop packets of one length on their way through, or skips
// the test.
func (l *lab) dropLength(sg mroute.SG, length int) {
	l.Helper()
	name := "iptables"
	if sg.Source.Is6() {
		name = "ip6tables"
	}
	if _, err := exec.LookPath(name); err != nil {
		l.Skipf("needs %s, as of Debian's package iptables: %v", name, err)
	}
	args := []string{"-A", "FORWARD", "-m", "length", "--length", fmt.Sprint(length), "-j", "DROP"}
	if out, err := l.node.Command(name, args...).CombinedOutput(); err != nil {
		l.Skipf("needs a kernel with iptables' match for lengths (CONFIG_NETFILTER_XT_MATCH_LENGTH): %v\n%s", err, out)
	}
}
