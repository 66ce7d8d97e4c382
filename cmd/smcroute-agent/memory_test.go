package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/procfs"

	"github.com/smcroute/kube-smcroute/test/programs"
)

const manyRoutes = 100_000

// How much memory an agent with that many may ever take, in bytes of VmHWM. It takes 82
// MiB when it reads a file of them, and 94 or 112 with 100 or 1,000 manifests; this
// program has 9 more in its file, and up to 10 are pages of it that happen to be there. A
// report of all entries together would take 100 more, one of 1,000 manifests that is
// written in one piece 150, and another parsing of the file 20.
const (
	maxPeakOfFile      = 112 << 20
	maxPeakOfManifests = 140 << 20
)

// TestMemory: 100,000 lines of a file take little memory, and reports hardly any more,
// as none is made of all entries together.
func TestMemory(t *testing.T) {
	var b strings.Builder
	for i := range manyRoutes {
		fmt.Fprintf(&b, "mroute from eth0 source 10.%d.%d.%d group 232.1.1.1 to eth1\n", i>>16+1, i>>8&255, i&255)
	}
	n := newLab(t)
	conf := n.write("smcroute.conf", b.String())
	n.write("m/a.yaml", manifest("a", "225.1.2.3", "eth1"))
	n.holdsMemory(maxPeakOfFile, manyRoutes+1, "--conf-file", conf)
}

// TestMemoryOfManifests: the same routes of 1,000 objects, whose status is written one by
// one.
func TestMemoryOfManifests(t *testing.T) {
	const objects, groups, sources = 1000, 10, 10
	n := newLab(t)
	for i := range objects {
		var b strings.Builder
		fmt.Fprintf(&b, `
apiVersion: multicast.smcroute.io/v1alpha1
kind: MulticastRoute
metadata: {name: r%d}
spec:
  from: {interface: eth0}
  to: [{interface: eth1}]
  groups: [`, i)
		for g := range groups {
			fmt.Fprintf(&b, "232.%d.%d.%d, ", i>>8, i&255, g)
		}
		b.WriteString("]\n  sources: [")
		for s := range sources {
			fmt.Fprintf(&b, "10.1.1.%d, ", s+1)
		}
		n.write(fmt.Sprintf("m/r%d.yaml", i), b.String()+"]\n")
	}
	n.write("m/a.yaml", manifest("a", "225.1.2.3", "eth1"))
	n.holdsMemory(maxPeakOfManifests, objects*groups*sources+1)
}

// holdsMemory starts the agent with arguments and manifests, one of which, a, forwards,
// and holds its memory to maxPeak bytes.
func (n *lab) holdsMemory(maxPeak uint64, entries int, args ...string) {
	t := n.t
	t.Helper()
	if programs.Race() {
		t.Skip("the race detector takes several times the memory: run it without -race")
	}
	n.start(append(args, "--manifests", n.path("m"), "--status-dir", n.path("s"), "--report-interval=500ms")...)
	n.awaitForwarding("192.0.2.1", "225.1.2.3")
	counted := regexp.MustCompile(`packets: [1-9]`)
	n.await("a report of the packets", func() bool {
		text, err := os.ReadFile(n.path("s/mcroute.default.a.yaml"))
		return err == nil && counted.Match(text)
	})
	if k := n.entries(); k != entries {
		t.Errorf("the kernel has %d entries, want %d", k, entries)
	}
	p, err := procfs.NewProc(n.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.NewStatus()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d KiB, at most %d", m.VmRSS>>10, m.VmHWM>>10)
	if m.VmHWM > maxPeak {
		t.Errorf("the agent took %d KiB, want at most %d", m.VmHWM>>10, maxPeak>>10)
	}
}
