package script

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/spread"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// keeper is the socket of the keeper of a namespace's daemon.
func (l *lab) keeper(name string) string { return l.file(name + ".keeper") }

// keeperPID is the process that listens at a keeper's socket.
func keeperPID(socket string) (pid int, err error) {
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Net: "unixpacket", Name: socket})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	controlErr := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(controlErr, err); err != nil {
		return 0, err
	}
	return int(peer.Pid), nil
}

// runKeeper is what is done to the keeper of a namespace's daemon.
func runKeeper(l *lab, args []string) (result, error) {
	name, verb := args[0], args[1]
	if _, err := l.namespace(name); err != nil {
		return result{}, err
	}
	switch verb {
	case "stop":
		return l.exec(exec.Command(filepath.Join(l.dir, "smcroute-keeper"), "stop", "--socket", l.keeper(name)))
	case "answers":
		pid, err := keeperPID(l.keeper(name))
		return result{stdout: fmt.Sprintln(pid)}, err
	}
	signal := unix.SignalNum("SIG" + strings.ToUpper(verb))
	if signal == 0 {
		return result{}, usagef("%q: expected stop, answers, or a signal", verb)
	}
	pid, err := keeperPID(l.keeper(name))
	if err != nil {
		return result{}, err
	}
	// It is no child of this process.
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return result{}, err
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil || signal != unix.SIGKILL {
		return result{}, err
	}
	ended := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if !await(func() bool { n, err := unix.Poll(ended, 0); return n > 0 && err == nil }) {
		return result{}, fmt.Errorf("the keeper did not end within %v of SIGKILL", deadline)
	}
	return result{}, nil
}

// runForeign is another program that leaves an entry, with the two VIFs it needs,
// in a table that nobody owns yet.
func runForeign(l *lab, args []string) (result, error) {
	ns, in, err := l.iface(args[0])
	if err != nil {
		return result{}, err
	}
	_, out, err := l.iface(args[3])
	if err != nil {
		return result{}, err
	}
	sg, err := parseSG(args[1], args[2])
	if err != nil {
		return result{}, err
	}
	store := keep.NewMemory()
	k, err := linux.Open(linux.Options{NetNS: ns.Path(), Keep: &keep.Keeping{Store: store, Static: true}})
	if err != nil {
		return result{}, err
	}
	f := mroute.FamilyOf(sg.Group)
	entry := mroute.Entry{IIF: 30}
	entry.OIFs[29] = 1
	errs := k.Apply([]mroute.Op{
		{Kind: mroute.AddVIF, Family: f, VIF: 30, Link: mroute.LinkRef{Name: in, Index: ns.Index(in)}},
		{Kind: mroute.AddVIF, Family: f, VIF: 29, Link: mroute.LinkRef{Name: out, Index: ns.Index(out)}},
		{Kind: mroute.SetMFC, Family: f, SG: sg, Entry: entry},
	})
	err = errors.Join(append(errs, k.Detach())...)
	for _, name := range store.Names() {
		store.Drop(name)
	}
	return result{}, err
}

// runLeft tells what the kernel has of a daemon, unless another has the tables.
func runLeft(l *lab, args []string) (result, error) {
	ns, err := l.namespace(args[0])
	if err != nil {
		return result{}, err
	}
	var left strings.Builder
	for _, link := range args[1:] {
		for _, sg := range ns.Memberships(link) {
			fmt.Fprintf(&left, "joined on %s: %v\n", link, sg)
		}
	}
	for _, table := range []uint32{0, spread.FirstTable + 1, spread.FirstTable + 2} {
		if err := leftIn(&left, ns, table); err != nil {
			return result{}, err
		}
	}
	return result{stdout: left.String()}, nil
}

// leftIn writes what is left in a table, and which rules of ours lead there.
func leftIn(left *strings.Builder, ns *netlab.NS, table uint32) error {
	k, err := linux.Open(linux.Options{NetNS: ns.Path(), Table: table})
	if err != nil {
		return err
	}
	defer k.Close()
	for _, f := range mroute.Families {
		if err := k.FamilyErr(f); err != nil {
			return err
		}
		held := k.Held(f)
		for v, index := range held.VIFs {
			fmt.Fprintf(left, "%v VIF %d of link %d in table %d\n", f, v, index, table)
		}
		for _, entries := range []map[mroute.SG]mroute.Entry{held.Entries, held.Foreign} {
			for sg := range entries {
				fmt.Fprintf(left, "entry: %v\n", sg)
			}
		}
		rules, err := k.Rules(f)
		if err != nil {
			return err
		}
		for _, r := range rules {
			if r.Own && r.Table == table {
				fmt.Fprintf(left, "%v rule of %s to table %d\n", f, r.Links.In+r.Links.Out, table)
			}
		}
	}
	return nil
}

// runNothing waits until the kernel has nothing more of a daemon and its keeper.
func runNothing(l *lab, args []string) (result, error) {
	var r result
	var err error
	if !await(func() bool { r, err = runLeft(l, args); return err == nil && r.stdout == "" }) {
		return r, errors.Join(errors.New("something is left in the kernel"), err)
	}
	if pid, err := keeperPID(l.keeper(args[0])); err == nil {
		return result{}, fmt.Errorf("a keeper is there, process %d", pid)
	}
	if known := keep.NewRecords(keep.RecordsPath(l.keeper(args[0]))).Tables(); len(known) > 0 {
		return result{}, fmt.Errorf("there are records of %q", known)
	}
	return result{}, nil
}
