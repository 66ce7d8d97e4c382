package symptoms

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

func TestMain(m *testing.M) { programs.Main(m) }

// deadline is how long anything may take that happens at once.
const deadline = 20 * time.Second

// lab is one network for most symptoms.
//
//	sender:eth0 ---- in:node:out ---- eth0:receiver
type lab struct {
	*testing.T
	sender, node, receiver *netlab.NS

	dir     string
	arrived *netlab.Capture // by receiver
}

func newLab(t *testing.T) *lab {
	l := &lab{T: t, sender: netlab.New(t), node: netlab.New(t), receiver: netlab.New(t), dir: t.TempDir()}
	l.sender.Veth("eth0", l.node, "in")
	l.node.Veth("out", l.receiver, "eth0")
	l.arrived = l.receiver.Capture("eth0")
	return l
}

// start starts smcrouted on a node, with these lines as its configuration, and
// waits until it is ready.
func (l *lab) start(node *netlab.NS, conf ...string) *router {
	l.Helper()
	r := &router{T: l.T, ns: node, path: filepath.Join(l.dir, strconv.Itoa(time.Now().Nanosecond()))}
	if err := os.WriteFile(r.path+".conf", []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		l.Fatal(err)
	}
	cmd := node.Command("smcrouted", "-n", "-f", r.path+".conf", "-P", r.path+".pid", "-u", r.path+".sock")
	programs.RunDaemon(l, cmd, r.path+".pid", deadline)
	return r
}

// router is a running smcrouted.
type router struct {
	*testing.T
	ns   *netlab.NS
	path string
}

// entry is what "smcroutectl -j show" tells of a flow in the kernel.
type entry struct {
	Source, Group netip.Addr
	Packets       int
	Wrong         int `json:"wrong_if"`
}

// entry finds that of a flow; zero if there is none.
func (r *router) entry(sg mroute.SG) entry {
	r.Helper()
	out := r.command("-j", "show")
	var all struct{ Routes struct{ Kernel []entry } }
	if err := json.Unmarshal(out, &all); err != nil {
		r.Fatalf("smcroutectl -j show: %v\n%s", err, out)
	}
	for _, e := range all.Routes.Kernel {
		if e.Source == sg.Source && e.Group == sg.Group {
			return e
		}
	}
	return entry{}
}

// command runs smcroutectl.
func (r *router) command(args ...string) []byte {
	r.Helper()
	out, err := r.ns.Command("smcroutectl", append([]string{"-u", r.path + ".sock"}, args...)...).Output()
	if err != nil {
		r.Fatalf("smcroutectl %v: %v", args, err)
	}
	return out
}

// counted waits until a flow's entry in the kernel has counted so many packets, those that
// came by another interface included. Have packets pass before, lest it look too early for
// those that must not be counted.
func (r *router) counted(sg mroute.SG, packets, wrong int) {
	r.Helper()
	var e entry
	if !netlab.Poll(deadline, func() bool { e = r.entry(sg); return e.Packets == packets && e.Wrong == wrong }) {
		r.Errorf("%v: smcroutectl shows %d packets, %d of them from a wrong interface; want %d and %d", sg, e.Packets, e.Wrong, packets, wrong)
	}
}

func flow(source, group string) mroute.SG {
	return mroute.SG{Source: netip.MustParseAddr(source), Group: netip.MustParseAddr(group)}
}

// line is that of a configuration for a flow from in to out.
func line(sg mroute.SG, from string, to ...string) string {
	return fmt.Sprintf("mroute from %s source %v group %v to %s", from, sg.Source, sg.Group, strings.Join(to, " "))
}

// send sends packets of a flow out of the sender's eth0.
func (l *lab) send(sg mroute.SG, ttl uint8, n int) {
	l.Helper()
	for range n {
		l.sender.Send("eth0", netlab.Packet{Src: sg.Source, Group: sg.Group, TTL: ttl})
	}
}

// passes checks that of three packets of a flow, sent now, all arrive.
func (l *lab) passes(sg mroute.SG) {
	l.Helper()
	before := l.arrived.Count(sg)
	l.send(sg, 64, 3)
	l.arrived.Await(sg, before+3, deadline)
}

// none checks that no packet of a flow has arrived, after one of another flow
// that was sent later has.
func (l *lab) none(sg mroute.SG) {
	l.Helper()
	if n := l.arrived.Count(sg); n > 0 {
		l.Errorf("%v: %d packets arrived, want none", sg, n)
	}
}

// proc reads a file of /proc/net in a namespace.
func (l *lab) proc(ns *netlab.NS, name string) string {
	l.Helper()
	var text []byte
	err := ns.Do(func() (err error) {
		text, err = os.ReadFile("/proc/thread-self/net/" + name)
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
	return string(text)
}

// awaitCounter waits until a counter has a value.
func (l *lab) awaitCounter(ns *netlab.NS, file, name string, want int) {
	l.Helper()
	if !netlab.Poll(deadline, func() bool { return l.counter(ns, file, name) == want }) {
		l.Errorf("%s of %s is %d, want %d", name, file, l.counter(ns, file, name), want)
	}
}

// counter is one of /proc/net/snmp, netstat, as "Ip: InDiscards" or, of
// snmp6, "Ip6InDiscards"; nstat calls them IpInDiscards and so on.
func (l *lab) counter(ns *netlab.NS, file, name string) int {
	l.Helper()
	text := l.proc(ns, file)
	value := ""
	if group, field, ok := strings.Cut(name, ": "); ok {
		var names []string
		for row := range strings.Lines(text) {
			words := strings.Fields(row)
			if len(words) == 0 || words[0] != group+":" {
				continue
			}
			if names == nil {
				names = words
				continue
			}
			for i, n := range names {
				if n == field && i < len(words) {
					value = words[i]
				}
			}
		}
	} else {
		for row := range strings.Lines(text) {
			if words := strings.Fields(row); len(words) == 2 && words[0] == name {
				value = words[1]
			}
		}
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		l.Fatalf("there is no counter %q in %s:\n%s", name, file, text)
	}
	return n
}

// awaitVIF waits until so many packets are counted.
func (l *lab) awaitVIF(ns *netlab.NS, file, name string, in, out int) {
	l.Helper()
	var gotIn, gotOut int
	if !netlab.Poll(deadline, func() bool { gotIn, gotOut = l.vif(ns, file, name); return gotIn == in && gotOut == out }) {
		l.Errorf("%s counts %d packets in by %s and %d out, want %d and %d", file, gotIn, name, gotOut, in, out)
	}
}

// vif is what /proc/net/ip_mr_vif, or ip6_mr_vif, counts of an interface.
func (l *lab) vif(ns *netlab.NS, file, name string) (in, out int) {
	l.Helper()
	for row := range strings.Lines(l.proc(ns, file)) {
		words := strings.Fields(row)
		if len(words) > 5 && words[1] == name {
			_, err := fmt.Sscan(words[3]+" "+words[5], &in, &out)
			if err != nil {
				l.Fatalf("%s: %q: %v", file, row, err)
			}
			return in, out
		}
	}
	l.Fatalf("%s has no interface %s:\n%s", file, name, l.proc(ns, file))
	return 0, 0
}
