// Package clusterlab runs a real Kubernetes cluster on one machine, of no other
// parts than a control plane, kubelets and containerd, for tests and for people
// (hack/cluster).
//
//	                 lab's namespace                              nodes n1, n2, n3
//	┌────────────────────────────────────────────────┐       ┌───────────────────────┐
//	│ etcd                                           │       │ kubelet    kube-proxy │
//	│ kube-apiserver 172.31.77.1:6443 ── cluster0 ───┼───────┤ eth0   containerd     │
//	│ kube-controller-manager          (bridge)      │       │        pods 10.244.N. │
//	│ kube-scheduler                                 │       │                       │
//	│ the test                          studio0 ─────┼───────┤ eth1                  │
//	│                                  (bridge)│     │       │                       │
//	│                                   stage0 ┼─────┼───────┤ eth2                  │
//	└──────────────────────────────────────────┼─────┘       └───────────────────────┘
//	                                           │ eth0
//	                             machines outside of the cluster:
//	                             studio, control, as the test likes
//
//	cluster0  172.31.77.0/24  fd00:77::/64     nodes .11, .12, .13 (::11, ...)
//	studio0   10.77.0.0/24    fd00:10:77::/64  nodes .11, .12, .13; machines .101, .102, ...
//	stage0    10.78.0.0/24    fd00:10:78::/64  nodes .11, .12, .13
//	pods      10.244.N.0/24   fd00:244:N::/64  n3 with CNI's plug-in ptp, others with bridge
//	services  10.96.0.0/16    fd00:96::/108
//
// The studio's and the stage's bridges snoop on IGMP and MLD and query, so
// that a group's packets come to those alone who joined.
//
// # Clean-up
//
// What a lab is made of ends with one process, however that ends: process 1 of
// a PID namespace, with mount, network, UTS and IPC namespaces of its own. When it
// dies the kernel ends every other process of the lab, and mounts, links and
// namespaces go with the last. It dies with the test, and with the process
// outside that started it, the janitor. A node is a namespace of the same kind
// inside, so killing its process 1 is a power loss.
//
// Files are on a tmpfs in the lab's mount namespace. What the kernel does not
// remove are cgroups, and one folder with logs and a kubeconfig. The janitor
// does; what it leaves behind if it is killed itself, the next lab removes.
package clusterlab
