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

const (
	manyRoutes = 100_000
	// maxPeak is how much memory an agent with that many may ever take, in bytes of
	// VmHWM. It takes 106 MiB when it starts, and this program has more in its file. A
	// report of all entries together would take 200.
	maxPeak = 128 << 20
)

// TestMemory: 100,000 lines of a file take little memory, and reports hardly any more,
// as none is made of all entries together.
func TestMemory(t *testing.T) {
	if programs.Race() {
		t.Skip("the race detector takes several times the memory: run it without -race")
	}
	var b strings.Builder
	for i := range manyRoutes {
		fmt.Fprintf(&b, "mroute from eth0 source 10.%d.%d.%d group 232.1.1.1 to eth1\n", i>>16+1, i>>8&255, i&255)
	}
	n := newLab(t)
	conf := n.write("smcroute.conf", b.String())
	n.write("m/a.yaml", manifest("a", "225.1.2.3", "eth1"))
	n.start("--conf-file", conf, "--manifests", n.path("m"), "--status-dir", n.path("s"), "--report-interval=500ms")
	n.awaitForwarding("192.0.2.1", "225.1.2.3")
	counted := regexp.MustCompile(`packets: [1-9]`)
	n.await("a report of the packets", func() bool {
		text, err := os.ReadFile(n.path("s/mcroute.default.a.yaml"))
		return err == nil && counted.Match(text)
	})
	if k := n.entries(); k <= manyRoutes {
		t.Errorf("the kernel has %d entries", k)
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
