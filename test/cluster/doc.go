// Package cluster tests all of the operator as users get it: its image and its
// chart, in a cluster of real kubelets (test/clusterlab), with real packets.
//
// "make test-cluster" runs it. It needs root, containerd, runc, the plug-ins of
// CNI and the Kubernetes programs that "make kubebox" builds, and is skipped
// without them, unless CI is set: then that is a failure.
//
//	studio ──┐                         ┌─ eth1 n1 eth2 ─┐   pods behind a bridge
//	         ├── the studio's LAN ─────┼─ eth1 n2 eth2 ─┼─  pods behind a bridge
//	control ─┘   10.77.0.0/24          └─ eth1 n3 eth2 ─┘   pods with a veth each (ptp)
//	             fd00:10:77::/64                  the stage's LAN
//
// Senders and receivers are mcast(1), in pods from the operator's own image.
package cluster
