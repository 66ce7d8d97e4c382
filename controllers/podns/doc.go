// Package podns finds the network namespaces of pods, for routers inside them.
//
// It asks the container runtime over the CRI for a pod's newest ready sandbox,
// and takes nothing on trust: a namespace counts only if it is none of the
// node's own, and holds an address of the pod.
//
// What it needs of the machine, beyond what routing on the node itself does:
//
//   - the runtime's socket, which is as good as root: /run/containerd/containerd.sock
//     or /run/crio/crio.sock;
//   - /run/netns of the node at the same path, mounted with propagation
//     HostToContainer, so that namespaces of later pods show up;
//   - CAP_SYS_ADMIN for setns(2).
//
// A runtime that pins no namespace under /run/netns makes it fall back on
// /proc/PID/ns/net, which needs the node's PID namespace (hostPID) and
// CAP_SYS_PTRACE as well.
package podns
