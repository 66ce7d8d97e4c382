package interop

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// patience is how long anything may take that should happen at once.
const patience = time.Minute

// lab is a router with three interfaces, in a namespace, and a host on each:
//
//	A:eth0 ---- R:eth0   R:eth1 ---- B:eth0
//	                     R:eth2 ---- C:eth0
type lab struct {
	t        *testing.T
	dir      string
	router   *netlab.NS
	hosts    map[string]*netlab.NS // A, B, C
	captures map[string]*netlab.Capture
	daemon   *program.Daemon
	markers  byte   // sent so far
	deaf     string // the host that they do not reach
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{
		t: t, router: netlab.New(t),
		hosts: map[string]*netlab.NS{}, captures: map[string]*netlab.Capture{},
	}
	// Not t.TempDir, whose paths may be too long for a socket.
	var err error
	if l.dir, err = os.MkdirTemp("", "interop-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(l.dir) })
	for i, name := range []string{"A", "B", "C"} {
		host := netlab.New(t)
		l.hosts[name] = host
		l.router.Veth(fmt.Sprintf("eth%d", i), host, "eth0")
		l.captures[name] = host.Capture("eth0")
	}
	return l
}

// markerConf lets markers through, to all hosts.
const markerConf = `
mroute from eth0 source 192.0.2.254 group 239.255.0.0/16 to eth0 eth1 eth2
mroute from eth0 source 2001:db8::ffff group ff1e:ffff::/32 to eth0 eth1 eth2
`

// conf writes the configuration.
func (l *lab) conf(text string) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, program.ConfFile), []byte(text), 0o666); err != nil {
		l.t.Fatal(err)
	}
}

// start starts a daemon on that configuration.
func (l *lab) start(p program.Programs, conf string, args ...string) {
	l.t.Helper()
	l.conf(conf)
	d, err := p.Start(l.router, l.dir, patience, args...)
	if err != nil {
		l.t.Fatal(err)
	}
	l.daemon = d
	l.t.Cleanup(func() {
		d.Kill()
		if l.t.Failed() {
			l.t.Logf("log of %s smcrouted:\n%s", p.Name, &d.Log)
		}
	})
}

// control runs a client.
func (l *lab) control(p program.Programs, stdin string, args ...string) program.Result {
	l.t.Helper()
	r, err := p.Control(l.dir, stdin, args...)
	if err != nil {
		l.t.Fatalf("%s smcroutectl %q: %v", p.Name, args, err)
	}
	return r
}

// flow is packets from A.
type flow struct {
	source, group string
	ttl           uint8 // 0: 64
}

func (f flow) sg() mroute.SG {
	return mroute.SG{Source: netip.MustParseAddr(f.source), Group: netip.MustParseAddr(f.group)}
}

// send sends two packets of each flow from A, and returns which hosts got how
// many, as "B2 C2" by flow. Anything else that arrived is there, too.
func (l *lab) send(flows ...flow) map[mroute.SG]string {
	l.t.Helper()
	for _, c := range l.captures {
		c.Reset()
	}
	// One after the other is dealt with: one that arrives while the entry is being
	// made waits in the kernel for a second answer, which SMCRoute does not give.
	for n := range uint64(2) {
		for _, f := range flows {
			l.hosts["A"].SendBurst("eth0", netlab.Packet{Src: f.sg().Source, Group: f.sg().Group, TTL: f.ttl}, n, 1)
		}
		l.settle()
	}
	got := map[mroute.SG]string{}
	for _, host := range slices.Sorted(maps.Keys(l.captures)) {
		for sg, f := range l.captures[host].Flows(netlab.In) {
			if !isMarker(sg) {
				got[sg] = strings.TrimSpace(fmt.Sprintf("%s %s%d", got[sg], host, f.Packets))
			}
		}
	}
	for _, f := range flows {
		if _, ok := got[f.sg()]; !ok {
			got[f.sg()] = "nobody"
		}
	}
	return got
}

// settle waits until the daemon has dealt with all packets sent so far. Each
// marker is a new flow: the kernel asks the daemon about it after those before.
// The answer to a first one may come in one batch with theirs, that to a second
// one, sent when the first has arrived, is after them.
func (l *lab) settle() {
	l.t.Helper()
	for range 2 {
		netlab.Flush(l.t, 2, patience) // a marker must not overtake them
		l.markers++
		for _, m := range []flow{
			{source: "192.0.2.254", group: fmt.Sprintf("239.255.0.%d", l.markers)},
			{source: "2001:db8::ffff", group: fmt.Sprintf("ff1e:ffff::%x", l.markers)},
		} {
			l.hosts["A"].Send("eth0", netlab.Packet{Src: m.sg().Source, Group: m.sg().Group})
			for name, c := range l.captures {
				if name != l.deaf {
					c.Await(m.sg(), 1, patience)
				}
			}
		}
	}
}

func isMarker(sg mroute.SG) bool {
	return sg.Source == netip.MustParseAddr("192.0.2.254") || sg.Source == netip.MustParseAddr("2001:db8::ffff")
}

// list lists what send returned.
func list(got map[mroute.SG]string) string {
	var b strings.Builder
	for _, sg := range slices.SortedFunc(maps.Keys(got), mroute.SG.Compare) {
		fmt.Fprintf(&b, "%v to %s\n", sg, got[sg])
	}
	return b.String()
}

// ended waits for the daemon's end and reports whether it came, with exit code 0.
func (l *lab) ended() bool {
	select {
	case <-l.daemon.Done():
		return l.daemon.State().ExitCode() == 0
	case <-time.After(patience):
		return false
	}
}
