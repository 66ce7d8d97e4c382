package doctor

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
	"github.com/smcroute/kube-smcroute/agent/netns"
)

// processes lists those that run, ascending.
func processes() (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

func programName(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "?"
	}
	name := strings.TrimSpace(string(text))
	if name != "exe" {
		return name
	}
	// Started by /proc/self/exe, as what runs in the background is.
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return name
	}
	return strings.TrimSuffix(filepath.Base(path), " (deleted)")
}

// readOwners looks for programs with sockets that tables are owned by.
func (l *look) readOwners() {
	sockets := map[string]bool{} // by inode: of IPv6?
	for name, six := range map[string]bool{"raw": false, "raw6": true} {
		text, err := os.ReadFile(ownNet + name)
		if err != nil {
			continue
		}
		for _, inode := range parseRaw(string(text), six) {
			sockets["socket:["+inode+"]"] = six
		}
	}
	if len(sockets) == 0 {
		return
	}
	for _, pid := range processes() {
		descriptors, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			continue
		}
		for _, d := range descriptors {
			target, err := os.Readlink(d)
			six, ok := sockets[target]
			if p := (diagnose.Process{PID: pid, Name: programName(pid), Six: six}); err == nil && ok && !slices.Contains(l.Owners, p) {
				l.Owners = append(l.Owners, p)
			}
		}
	}
}

// parseRaw lists the inodes of the sockets of IGMP in /proc/net/raw, or of ICMPv6
// in raw6: the port of the local address is the protocol.
func parseRaw(text string, six bool) (inodes []string) {
	protocol := ":0002"
	if six {
		protocol = ":003A"
	}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) > 9 && strings.HasSuffix(words[1], protocol) {
			inodes = append(inodes, words[9])
		}
	}
	return inodes
}

// maxNamespaces is how many network namespaces are looked into.
const maxNamespaces = 1000

// readReceivers looks at the network namespaces behind the node's links: what
// programs in them joined.
func (l *look) readReceivers() {
	const ownPath = "/proc/thread-self/ns/net"
	own, _ := os.Readlink(ownPath)
	seen := map[string]bool{own: true}
	home, err := os.Open(ownPath)
	if err != nil {
		l.unseen("receivers", err)
		return
	}
	defer home.Close()
	behind := map[int]bool{} // numbers of namespaces that were looked into
	for _, pid := range processes() {
		path := fmt.Sprintf("/proc/%d/ns/net", pid)
		ns, err := os.Readlink(path)
		if err != nil || seen[ns] || len(seen) > maxNamespaces {
			continue
		}
		seen[ns] = true
		l.readChildren(pid, path, int(home.Fd()))
		nsid, err := l.routes.GetNetNsIdByPid(pid)
		if err != nil || nsid < 0 {
			continue
		}
		for index, number := range l.nsids {
			if number == nsid {
				behind[nsid] = true
				l.readReceiver(pid, path, index)
			}
		}
	}
	slices.SortFunc(l.Receivers, func(a, b diagnose.Receiver) int { return strings.Compare(a.Link, b.Link) })
	var blind []string
	outputs := l.outputs()
	for index, nsid := range l.nsids {
		if !behind[nsid] && outputs[l.names[index]] {
			blind = append(blind, l.names[index])
		}
	}
	if len(blind) > 0 {
		slices.Sort(blind)
		l.unseen("receivers", fmt.Errorf("no program to be seen from here runs behind %s: root on the node sees those of pods", strings.Join(blind[:min(8, len(blind))], ", ")))
	}
}

// outputs are the links that packets are to leave by, and the ports of those
// that are bridges.
func (l *look) outputs() map[string]bool {
	outputs := map[string]bool{}
	for i := range l.After.Rules {
		for _, name := range l.After.Rules[i].OIFs {
			outputs[name] = true
		}
	}
	for i := range l.After.Flows {
		for _, name := range l.After.Flows[i].OIFs {
			outputs[name] = true
		}
	}
	for i := range l.Links {
		if x := &l.Links[i]; outputs[x.Master] {
			outputs[x.Name] = true
		}
	}
	return outputs
}

// readChildren looks for macvlan interfaces of a namespace on links of the node,
// which home is. It needs CAP_SYS_ADMIN.
func (l *look) readChildren(pid int, path string, home int) {
	_ = netns.Do(path, func() error {
		links, err := readLinks()
		if err != nil {
			return err
		}
		nsid, err := netlink.GetNetNsIdByFd(home)
		if err != nil || nsid < 0 {
			return err
		}
		for i := range links {
			child := &links[i]
			if child.Kind != "macvlan" || child.nsid != nsid {
				continue
			}
			for j := range l.Links {
				if l.Links[j].Index == child.parent {
					l.Links[j].Children = append(l.Links[j].Children, fmt.Sprintf("%s of PID %d, %s", child.Name, pid, programName(pid)))
				}
			}
		}
		return nil
	})
}

// readReceiver looks into the namespace of a process, at the other end of a link.
func (l *look) readReceiver(pid int, path string, index int) {
	joined, names, err := memberships(fmt.Sprintf("/proc/%d/net/", pid))
	inside := names[l.parents[index]]
	if err != nil || inside == "" {
		return
	}
	r := diagnose.Receiver{
		Link: l.names[index], Name: fmt.Sprintf("PID %d, %s", pid, programName(pid)), Inside: inside,
		Joined: joined, Known: true, Route: map[netip.Addr]string{},
	}
	// The rest needs CAP_SYS_ADMIN, and is worth less.
	_ = netns.Do(path, func() error {
		r.Sysctls = sysctls([]string{inside})
		for i := range l.Seen {
			if s := l.Seen[i].Source; s.Is4() {
				if _, ok := r.Route[s]; !ok {
					r.Route[s], _ = route(s, names)
				}
			}
		}
		return nil
	})
	l.Receivers = append(l.Receivers, r)
}
