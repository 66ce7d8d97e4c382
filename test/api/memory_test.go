package api

import (
	"testing"

	"github.com/prometheus/procfs"

	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// maxIdle is how much memory an agent that has little to do may take, in bytes of
// VmRSS: there is one on every node.
const maxIdle = 40 << 20

// TestIdleAgentsMemory: an agent with one route is small. What it maps of its own file
// counts, and what it needed to start does not.
func TestIdleAgentsMemory(t *testing.T) {
	if programs.Race() {
		t.Skip("the race detector takes several times the memory: run it without -race")
	}
	s := newSite(t, "memory", 1)
	s.apply(route("a", "from: {interface: eth0}, sources: [10.0.0.1], groups: [225.1.2.3], to: [{interface: eth1}]"))
	s.awaitProgrammed("a", 1)
	pid := s.hosts[0].agent.PID()
	if !netlab.Poll(patience, func() bool { return memory(t, pid).VmRSS < maxIdle }) {
		t.Errorf("an idle agent has %d KiB, want less than %d", memory(t, pid).VmRSS>>10, maxIdle>>10)
	}
	m := memory(t, pid)
	t.Logf("agent: %d KiB, of which %d are its own and %d its file; controller: %d KiB",
		m.VmRSS>>10, m.RssAnon>>10, m.RssFile>>10, memory(t, shared.control.PID()).VmRSS>>10)
}

// memory is that of a process, in bytes.
func memory(t *testing.T, pid int) procfs.ProcStatus {
	t.Helper()
	p, err := procfs.NewProc(pid)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.NewStatus()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
