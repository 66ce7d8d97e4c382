package doctor

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Another program has the table: this one.
func TestTableInUse(t *testing.T) {
	l := newLab(t)
	fd := -1
	err := l.node.Do(func() (err error) {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_IGMP); err != nil {
			return err
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, mrtInit, 1)
	})
	if err != nil {
		t.Fatal(err)
	}
	owner := os.NewFile(uintptr(fd), "owner of the table")
	defer owner.Close()
	l.finds(l.examine(), is(diagnose.TableInUse), fmt.Sprintf("kill %d", os.Getpid()), "mc_forwarding = 1")
}

// mrtInit is MRT_INIT of linux/mroute.h.
const mrtInit = 200

func TestMembershipLimit(t *testing.T) {
	l := newLab(t)
	l.node.Sysctl("ipv4/igmp_max_memberships", "0")
	l.receive(l.to.Group)
	l.start(l.rule()...)
	l.stream()
	l.finds(l.examine(), is(diagnose.MembershipLimit), "igmp_max_memberships = 0", "sysctl -w net.ipv4.igmp_max_memberships=20")
}

// What arrives on one interface is to leave by more than a table has room for.
func TestVIFTableFull(t *testing.T) {
	l := newLab(t)
	for i := range 17 {
		l.node.Veth(fmt.Sprint("a", i), l.node, fmt.Sprint("a", i+100))
	}
	l.start("mroute from in source 192.0.2.1 group 239.1.1.1 to a+")
	l.finds(l.examine(), is(diagnose.VIFTableFull, diagnose.NoPackets, diagnose.NotJoined), "35 interfaces", "fewer outputs")
}

// Sixteen flows may be learned: of more that go on all the time some are refused.
func TestFlowLimit(t *testing.T) {
	l := newLab(t)
	l.receive(l.to.Group)
	l.startAs("router", []string{"--max-flows", "16"}, "mroute from in group 239.1.1.1 to out", "mgroup from in group 239.1.1.1")
	source := l.to.Source
	for range 24 {
		l.streamOn("eth0", netlab.Packet{Src: source})
		source = source.Next()
	}
	refused := ""
	netlab.Await(t, deadline, func() bool { refused = l.stopped(); return refused != "" }, "a flow to be refused")
	l.finds(l.examineAll("239.1.1.1", refused), is(diagnose.FlowLimit), "max-flows")
}

// A link that IPv6's table has no number for: kernel note 8.
func TestRulePending(t *testing.T) {
	l := newLab(t)
	l.to = six
	l.command(l.node, "ip", "link", "add", "far", "index", "70000", "type", "veth", "peer", "name", "away")
	for _, name := range []string{"far", "away"} {
		l.node.SetUp(name, true)
	}
	l.node.AwaitReady("far")
	l.start("mroute from in source 2001:db8::1 group ff15::1 to far", "mgroup from in group ff15::1")
	l.stream()
	l.finds(l.examine(), is(diagnose.RulePending), "far", "smcroutectl -d show pending")
}
