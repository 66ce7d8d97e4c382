package main

import (
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// runDir holds all files of the demo. It is private, see demoCommand.
const (
	runDir    = "/run"
	confFile  = runDir + "/smcroute.conf"
	pidFile   = runDir + "/smcroute.pid"
	socket    = runDir + "/smcroute.sock"
	manifests = runDir + "/manifests"
	statusDir = runDir + "/status"
)

// patience is how long anything may take that should happen at once.
const patience = 10 * time.Second

const drawing = `
      sender                  router                   receivers
    ┌────────┐          ┌────────────────┐            ┌─────────┐
    │        │          │           out1 ├────────────┤ left    │
    │   eth0 ├──────────┤ in             │            └─────────┘
    │        │          │   smcrouted    │            ┌─────────┐
    └────────┘          │           out2 ├────────────┤ right   │
                        └────────────────┘            └─────────┘
`

// conf is what the router is told. Lines are shown with their numbers.
const conf = `# Packets leave through out2 only with a TTL above 4.
phyint in   enable
phyint out1 enable
phyint out2 enable ttl-threshold 4

# Ask for these groups with IGMP, as a switch may want to be asked.
mgroup from in group 225.1.2.3
mgroup from in source 192.0.2.10 group 232.1.1.1

# One source, one group: in the kernel before any packet comes.
mroute from in source 192.0.2.10 group 225.1.2.3 to out1 out2

# Any source: an entry is made when its first packet comes.
mroute from in group 225.3.2.1 to out1

# A range of sources, a range of groups, every interface that begins with out.
mroute from in source 192.0.2.0/24 group 239.7.0.0/16 to out+

# The same for IPv6.
mroute from in source 2001:db8::10 group ff0e::42 to out2
mroute from in group ff0e::1:0/112 to out1
`

// network is the demo's four namespaces and the program on the router.
type network struct {
	tb                          netlab.TB
	bin                         string
	sender, router, left, right *netlab.NS
	atLeft, atRight             *netlab.Capture
	log                         programs.Output
}

// newNetwork lays the network out. The router's links are called in, out1 and
// out2.
func newNetwork(tb netlab.TB, bin, in, out1, out2 string) *network {
	n := &network{
		tb: tb, bin: bin,
		sender: netlab.New(tb), router: netlab.New(tb), left: netlab.New(tb), right: netlab.New(tb),
	}
	n.sender.Veth("eth0", n.router, in)
	n.router.Veth(out1, n.left, "eth0")
	n.router.Veth(out2, n.right, "eth0")
	n.atLeft, n.atRight = n.left.Capture("eth0"), n.right.Capture("eth0")
	return n
}

// startDaemon starts smcrouted, and waits until the configuration is in effect:
// the PID file tells.
func (n *network) startDaemon() {
	// Listings look better with addresses; multicast routing needs none.
	n.sender.AddAddr("eth0", netip.MustParsePrefix("192.0.2.10/24"))
	n.sender.AddAddr("eth0", netip.MustParsePrefix("2001:db8::10/64"))
	n.router.AddAddr("in", netip.MustParsePrefix("192.0.2.1/24"))
	n.router.AddAddr("in", netip.MustParsePrefix("2001:db8::1/64"))
	if err := os.WriteFile(confFile, []byte(conf), 0o644); err != nil {
		n.tb.Fatalf("%v", err)
	}
	n.start(pidFile, "smcrouted", "-n", "-f", confFile, "-P", pidFile, "-u", socket)
}

// start starts a program on the router, and waits for a file that it makes when
// it is ready.
func (n *network) start(ready, name string, args ...string) {
	cmd := n.router.Command(filepath.Join(n.bin, name), args...)
	cmd.Stdout, cmd.Stderr = &n.log, &n.log
	if err := cmd.Start(); err != nil {
		n.tb.Fatalf("starting %s: %v", name, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	n.tb.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-done:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			<-done
		}
	})
	ended := false
	netlab.Await(n.tb, patience, func() bool {
		select {
		case <-done:
			ended = true
		default:
		}
		_, err := os.Stat(ready)
		return err == nil || ended
	}, name+" to be ready")
	if ended {
		n.tb.Fatalf("%s ended at once, %v:\n%s", name, cmd.ProcessState, n.log.String())
	}
}

// smcroutectl runs the client and returns what it prints.
func (n *network) smcroutectl(args ...string) string {
	cmd := exec.Command(filepath.Join(n.bin, "smcroutectl"), append([]string{"-p", "-u", socket}, args...)...)
	var out, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errors
	if err := cmd.Run(); err != nil {
		n.tb.Fatalf("smcroutectl %s: %v\n%s\n%s", strings.Join(args, " "), err, errors.String(), n.log.String())
	}
	return out.String()
}

// line returns the number of the configuration line that begins with text, 0
// if there is none.
func line(text string) int {
	for i, l := range strings.Split(conf, "\n") {
		if strings.HasPrefix(l, text) {
			return i + 1
		}
	}
	return 0
}

func parseFlow(source, group string) (sg mroute.SG, err error) {
	if sg.Source, err = netip.ParseAddr(source); err != nil {
		return sg, err
	}
	sg.Group, err = netip.ParseAddr(group)
	return sg, err
}

func flow(source, group string) mroute.SG {
	sg, err := parseFlow(source, group)
	if err != nil {
		panic(err) // the demo's own addresses
	}
	return sg
}
