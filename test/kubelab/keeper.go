package kubelab

import (
	"path/filepath"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// LaunchKeeper starts a keeper on the node, with a network of its own, as a pod's.
// Agents that are launched from then on know where to find it, and whichever
// comes after it there.
func (n *Node) LaunchKeeper(args ...string) *Process {
	n.tb.Helper()
	if n.keeper == "" {
		n.keeper = filepath.Join(n.lab.mkdir("keepers/"+n.Name), "keeper.sock")
	}
	ns := netlab.New(n.tb)
	program := filepath.Join(n.lab.o.Programs, "smcroute-keeper")
	socket := "--socket=" + n.keeper
	p := start(n.tb, "smcroute-keeper on "+n.Name, ns.Command(program, append([]string{socket}, args...)...))
	p.ready = func() bool { return ns.Command(program, socket, "check").Run() == nil }
	return p
}
