package clusterlab

import (
	"net/netip"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Node is a machine of the cluster, in network, mount, PID, UTS and IPC
// namespaces of its own.
type Node struct {
	Name string
	// NS is its network: another after Start. Eth0 is the cluster's LAN, eth1 the
	// studio's, eth2 the stage's.
	NS              *netlab.NS
	IP, IP6         netip.Addr // of eth0
	Studio, Studio6 netip.Addr // of eth1
	PodNet, PodNet6 netip.Prefix
	CNI             string // plug-in of the pods' network: bridge or ptp
}

// Kill is a power loss: all the node's processes, links and kernel tables are
// gone at once. Its disk stays.
func (n *Node) Kill() { panic("soon") }

// Start boots the node again after Kill, and waits until it is Ready.
func (n *Node) Start() { panic("soon") }

// ImportImage imports an OCI layout in a tar file.
func (n *Node) ImportImage(tar string) { panic("soon") }

// Exec runs a program in all the node's namespaces, and returns what it
// prints. An error ends the test.
func (n *Node) Exec(name string, args ...string) string { panic("soon") }

// TryExec is Exec for programs that may fail: the error has what it says.
func (n *Node) TryExec(name string, args ...string) (string, error) { panic("soon") }

// ContainerPID is the first process of a container: /proc/PID in the test is
// of that process, with links like ns/net and root. The container must run.
func (n *Node) ContainerPID(namespace, pod, container string) int { panic("soon") }

// PIDs returns the processes of the node whose program has that name, such as
// smcroute-agent, oldest first.
func (n *Node) PIDs(program string) []int { panic("soon") }
