package clusterlab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// PIDs returns the processes of the node whose program has that name, such as
// smcroute-agent, oldest first, as the test sees them.
func (n *Node) PIDs(program string) []int {
	n.cluster.tb.Helper()
	var found []int
	for _, pid := range processes() {
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err == nil && filepath.Base(exe) == program && n.has(pid) {
			found = append(found, pid)
		}
	}
	return found
}

// ContainerPID is the first process of a container: /proc/PID in the test is
// of that process, with links like ns/net and root. The container must run.
func (n *Node) ContainerPID(namespace, pod, container string) int {
	n.cluster.tb.Helper()
	pid, err := n.containerPID(namespace, pod, container)
	if err != nil {
		n.cluster.tb.Fatalf("clusterlab: %v", err)
	}
	return pid
}

func (n *Node) containerPID(namespace, pod, container string) (int, error) {
	var p corev1.Pod
	if err := n.cluster.Client.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: pod}, &p); err != nil {
		return 0, err
	}
	for _, status := range slices.Concat(p.Status.ContainerStatuses, p.Status.InitContainerStatuses) {
		_, id, _ := strings.Cut(status.ContainerID, "://")
		if status.Name != container || id == "" {
			continue
		}
		for _, pid := range processes() { // its own processes are younger
			groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
			if err == nil && strings.Contains(string(groups), id) && n.has(pid) {
				return pid, nil
			}
		}
		return 0, fmt.Errorf("container %s of pod %s/%s has no process on %s", container, namespace, pod, n.Name)
	}
	return 0, fmt.Errorf("pod %s/%s has no container %s that was started", namespace, pod, container)
}

// processes are those of the lab, oldest first.
func processes() (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids) // numbers of a new PID namespace, which doesn't get to the last
	return pids
}

// has reports whether the process is of the node: in its PID namespace, or in
// one below.
func (n *Node) has(pid int) bool {
	if n.box == nil {
		return false
	}
	var want unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/pid", n.box.PID), &want); err != nil {
		return false
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/pid", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	for err == nil {
		var stat unix.Stat_t
		if err = unix.Fstat(fd, &stat); err == nil && stat.Ino == want.Ino {
			_ = unix.Close(fd)
			return true
		}
		var parent int
		if err == nil {
			parent, err = unix.IoctlRetInt(fd, unix.NS_GET_PARENT)
		}
		_ = unix.Close(fd)
		fd = parent
	}
	return false // EPERM: above the lab's there is none to be seen
}
