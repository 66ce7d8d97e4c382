package linux

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// adopt returns the socket with which the process before this one owned the
// table, or -1.
func (o *owner) adopt(table uint32, p *kept, log *slog.Logger) int {
	if p == nil {
		return -1
	}
	file := p.Store.Get(p.ownerName(o.family))
	if file == nil {
		return -1
	}
	defer file.Close()
	fd, err := duplicate(file)
	if err == nil {
		if err = o.check(fd, table, p.cookie); err == nil {
			return fd
		}
		_ = unix.Close(fd)
	}
	log.Warn("What the process before this one has left of a multicast routing table is of no use.",
		"family", o.family, "table", table, "err", err)
	return -1
}

// duplicate returns another descriptor for a file that does not block, as its
// readers need it: the methods of os.File see to the opposite.
func duplicate(file interface {
	SyscallConn() (syscall.RawConn, error)
}) (int, error) {
	conn, err := file.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	if e := conn.Control(func(from uintptr) { fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 3) }); e != nil {
		return -1, e
	}
	if err != nil {
		return -1, fmt.Errorf("duplicate a descriptor: %w", err)
	}
	return fd, unix.SetNonblock(fd, true)
}

// check says why a socket is not the owner of the table, or nil.
func (o *owner) check(fd int, table uint32, cookie uint64) error {
	for opt, want := range map[int]int{
		unix.SO_DOMAIN: domain(o.family), unix.SO_TYPE: unix.SOCK_RAW, unix.SO_PROTOCOL: rawProtocol(o.family),
	} {
		if got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, opt); err != nil || got != want {
			return fmt.Errorf("it is no raw socket of %v: option %d is %d, expected %d (%v)", o.family, opt, got, want, err)
		}
	}
	if got := netnsCookie(fd); got != cookie {
		return errors.New("it is a socket of another network namespace")
	}
	// Only of an owner the kernel says that it is busy with its table.
	if table == 0 {
		table = defaultTable(o.family)
	}
	if err := unix.SetsockoptInt(fd, level(o.family), uapi.MRTTable, int(table)); err != unix.EBUSY {
		return errors.New("it does not own a table any more")
	}
	return o.options(fd)
}

// found lists what is in a table of which nothing is known yet, and remembers the
// VIFs.
func (k *Kernel) found(o *owner) (kernel.Found, error) {
	vifs, err := k.findVIFs(o)
	if err != nil {
		return kernel.Found{Dump: emptyDump()}, err
	}
	for v, ifindex := range vifs {
		o.vifs[v] = int(ifindex)
	}
	found, waiting, err := k.dumpEntries(o.family, vifs)
	found.Adopted = o.adopted
	if o.adopted && err == nil {
		k.askAgain(o, waiting)
	}
	return found, err
}

// find looks at what the table holds when it is claimed, and has the store hold
// the claim. Nothing has been added by then.
func (k *Kernel) find(o *owner, log *slog.Logger) *kernel.Error {
	found, err := k.found(o)
	if err != nil {
		if o.adopted {
			return newError("read", fmt.Sprintf("%v table %d", o.family, k.table), err, claimCause)
		}
		log.Warn("What the multicast routing table holds already is not known.", "family", o.family, "err", err)
	}
	i := familyIndex(o.family)
	var foreign []mroute.SG
	static, known := false, false
	if p := k.kept; p != nil && p.Static {
		static = true
		if p.Records != nil {
			foreign, known = p.Records.Of(p.record(o.family))
		}
	}
	k.held[i] = found.Held(static, known, foreign)
	k.foreign[i] = kernel.NewForeign(k.held[i])
	if k.kept == nil {
		return nil
	}
	// From now on, whenever this process ends, all that comes is this program's.
	if static && !known && err == nil {
		if err := k.record(o.family); err != nil {
			log.Warn("The next process will not know the table for its own.", "family", o.family, "err", err)
		}
	}
	if !o.adopted {
		k.kept.put(k.kept.ownerName(o.family), o.fd, k.flushes(o.family))
	}
	return nil
}

// flushes says whether a table that nobody takes over can be emptied at once.
func (k *Kernel) flushes(f mroute.Family) bool {
	return k.kept.Static && k.foreign[familyIndex(f)].Empty()
}

// Held implements [kernel.Table].
func (k *Kernel) Held(f mroute.Family) mroute.Held {
	h := k.held[familyIndex(f)]
	h.VIFs, h.Entries, h.Foreign = maps.Clone(h.VIFs), maps.Clone(h.Entries), maps.Clone(h.Foreign)
	return h
}

// Settle implements [kernel.Table]. Held is empty from then on.
func (k *Kernel) Settle(f mroute.Family, foreign []mroute.SG) error {
	o, i := k.owner(f), familyIndex(f)
	if k.kept != nil {
		k.kept.dropGroups(f, k.kept.gen)
	}
	if o.err != nil {
		return o.err
	}
	k.held[i], k.settled[i] = mroute.Held{}, true
	k.foreign[i].Settle(foreign)
	if k.kept == nil || !k.kept.Static {
		return nil
	}
	err := k.record(f)
	k.kept.put(k.kept.ownerName(f), o.fd, k.flushes(f))
	return err
}

// record writes down what in a table is another program's.
func (k *Kernel) record(f mroute.Family) error {
	if k.kept.Records == nil {
		return nil
	}
	return k.kept.Records.Set(k.kept.record(f), k.foreign[familyIndex(f)].Entries())
}

// took notes which entries of other programs have become this one's.
func (k *Kernel) took(ops []mroute.Op, errs []error) {
	var changed [len(mroute.Families)]bool
	for i := range ops {
		if errs == nil || errs[i] == nil {
			f := familyIndex(ops[i].Family)
			changed[f] = k.foreign[f].Took(&ops[i]) || changed[f]
		}
	}
	for i, f := range mroute.Families {
		if changed[i] && k.settled[i] && k.kept != nil && k.kept.Static {
			if err := k.record(f); err != nil {
				k.kept.log.Warn("The next process will take an entry for another program's.", "err", err)
			}
		}
	}
}

// remove gives a table up with all that is this program's own in it.
func (k *Kernel) remove(o *owner) error {
	if o.file == nil {
		return nil
	}
	p := k.kept
	if p == nil {
		return o.close()
	}
	var errs []error
	if p.Static {
		errs = append(errs, k.empty(o))
	}
	errs = append(errs, o.close())
	p.Store.Drop(p.ownerName(o.family))
	p.dropGroups(o.family, "")
	if p.Static && p.Records != nil {
		errs = append(errs, p.Records.Forget(p.record(o.family)))
	}
	return errors.Join(errs...)
}

// empty removes static VIFs and entries.
func (k *Kernel) empty(o *owner) error {
	foreign := &k.foreign[familyIndex(o.family)]
	if foreign.Empty() && flushAll(o.family, o.fd) == nil {
		return nil
	}
	d, err := k.Dump(o.family)
	if err != nil {
		return err
	}
	entries, vifs := foreign.Own(d)
	var ops []mroute.Op
	for _, sg := range entries {
		ops = append(ops, mroute.Op{Kind: mroute.DelMFC, Family: o.family, SG: sg})
	}
	for _, v := range vifs {
		ops = append(ops, mroute.Op{Kind: mroute.DelVIF, Family: o.family, VIF: v})
	}
	return errors.Join(k.Apply(ops)...)
}
