package doctor

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/doctor"
	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

func TestMain(m *testing.M) { programs.MainOf(parallel{m}, "smcrouted", "smcroutectl", "mcast") }

// parallel runs more tests at a time than there are processors: mostly they wait
// for an observation to end.
type parallel struct{ *testing.M }

func (p parallel) Run() int {
	flag.Parse()
	_ = flag.Set("test.parallel", "24")
	return p.M.Run()
}

const (
	// deadline is how long anything may take that happens at once.
	deadline = 30 * time.Second

	// window is how long doctor observes. Streams have a hundred packets in a
	// second, so that one which flows shows even if the machine is busy.
	window = "1s"
	rate   = 100
)

// The flows of most tests.
var (
	four = flow("192.0.2.1", "239.1.1.1")
	six  = flow("2001:db8::1", "ff15::1")
)

func flow(source, group string) mroute.SG {
	return mroute.SG{Source: netip.MustParseAddr(source), Group: netip.MustParseAddr(group)}
}

// lab is one network for most faults. The node has addresses on both links.
//
//	sender:eth0 ---- in:node:out ---- eth0:receiver
type lab struct {
	*testing.T
	sender, node, receiver *netlab.NS

	dir string
	to  mroute.SG // the flow
}

func newLab(t *testing.T) *lab {
	t.Helper()
	t.Parallel()
	l := &lab{T: t, sender: netlab.New(t), node: netlab.New(t), receiver: netlab.New(t), dir: t.TempDir(), to: four}
	l.sender.Veth("eth0", l.node, "in")
	l.node.Veth("out", l.receiver, "eth0")
	for link, addrs := range map[string][]string{"in": {"192.0.2.254/24", "2001:db8::fe/64"}, "out": {"198.51.100.254/24", "2001:db8:1::fe/64"}} {
		for _, a := range addrs {
			l.node.AddAddr(link, netip.MustParsePrefix(a))
		}
	}
	return l
}

// rule is the lines of a configuration for a flow from in to out, with a
// membership, as docs/tutorial.md has it.
func (l *lab) rule() []string {
	return []string{
		fmt.Sprintf("mroute from in source %v group %v to out", l.to.Source, l.to.Group),
		fmt.Sprintf("mgroup from in group %v", l.to.Group),
	}
}

// start starts smcrouted on the node, with these lines as its configuration, and
// waits until it is ready.
func (l *lab) start(conf ...string) {
	l.Helper()
	l.startAs("router", nil, conf...)
}

// startAs starts one with a name of its own, and with options.
func (l *lab) startAs(name string, options []string, conf ...string) {
	l.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.WriteFile(path+".conf", []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		l.Fatal(err)
	}
	args := append([]string{"-n", "-i", name, "-f", path + ".conf", "-P", path + ".pid", "-u", path + ".sock"}, options...)
	programs.RunDaemon(l, l.node.Command("smcrouted", args...), path+".pid", deadline)
}

func (l *lab) socket() string { return filepath.Join(l.dir, "router.sock") }

// receive has a program in the receiver's namespace join a group on eth0.
func (l *lab) receive(group netip.Addr) { l.Helper(); l.receiveOn("eth0", group) }

func (l *lab) receiveOn(link string, group netip.Addr) {
	l.Helper()
	l.join(l.receiver, link, group)
}

// join has a program join a group on a link, and waits until it has.
func (l *lab) join(ns *netlab.NS, link string, group netip.Addr) {
	l.Helper()
	programs.Run(l, ns.Command("mcast", "recv", "-i", link, group.String()), deadline)
	netlab.Await(l, deadline, func() bool { return len(ns.Memberships(link)) > 0 }, "mcast to join")
}

// stream has the sender send the flow.
func (l *lab) stream() { l.Helper(); l.streamOn("eth0", netlab.Packet{}) }

func (l *lab) streamOn(link string, p netlab.Packet) {
	l.Helper()
	if !p.Src.IsValid() {
		p.Src = l.to.Source
	}
	p.Group = l.to.Group
	s := l.sender.Stream(l.Context(), link, p, rate)
	netlab.Await(l, deadline, func() bool { return s.Sent() > 0 }, "a packet to be sent")
}

// examine runs doctor about the flow's group.
func (l *lab) examine() doctor.Report { l.Helper(); return l.examineAll(l.to.Group.String()) }

func (l *lab) examineAll(args ...string) doctor.Report {
	l.Helper()
	cmd := l.node.Command("smcroutectl", append([]string{"-u", l.socket(), "doctor", "--for", window, "-o", "json"}, args...)...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		l.Fatal(err)
	}
	var r doctor.Report
	if err := json.Unmarshal(out, &r); err != nil {
		l.Fatalf("smcroutectl doctor: %v\n%s%s", err, out, exit.Stderr)
	}
	want := 0
	switch {
	case r.Blind:
		want = 2
	case r.Broken():
		want = 1
	}
	if code := cmd.ProcessState.ExitCode(); code != want {
		l.Errorf("smcroutectl doctor ends with %d, want %d\n%s", code, want, r.Text(true))
	}
	return r
}

// finds checks that doctor finds exactly these, in order, and that the first has
// these words in its text, evidence and fix.
func (l *lab) finds(r doctor.Report, ids []diagnose.ID, words ...string) {
	l.Helper()
	var got []diagnose.ID
	for i := range r.Findings {
		got = append(got, r.Findings[i].ID)
	}
	if !slices.Equal(got, ids) {
		l.Errorf("doctor finds %q, want %q\n%s", got, ids, r.Text(true))
		return
	}
	for _, word := range words {
		f := r.Findings[0]
		if !strings.Contains(strings.Join(slices.Concat([]string{f.Text}, f.Evidence, f.Fix), "\n"), word) {
			l.Errorf("the finding has no %q in it:\n%s", word, r.Text(true))
		}
	}
	for i := range r.Findings {
		if f := &r.Findings[i]; len(f.Evidence) == 0 || len(f.Fix) == 0 {
			l.Errorf("%s has %d lines of evidence and %d of a fix", f.ID, len(f.Evidence), len(f.Fix))
		}
	}
}

func is(ids ...diagnose.ID) []diagnose.ID { return ids }

// command runs a program in a namespace, or skips the test if there is none.
func (l *lab) command(ns *netlab.NS, name string, args ...string) {
	l.Helper()
	if _, err := exec.LookPath(name); err != nil {
		l.Skipf("needs %s: %v", name, err)
	}
	if out, err := ns.Command(name, args...).CombinedOutput(); err != nil {
		l.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
