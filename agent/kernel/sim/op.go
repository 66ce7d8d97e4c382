package sim

import (
	"syscall"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// apply carries out one op, with the kernel's answers.
func (k *Kernel) apply(op mroute.Op) error {
	err := k.do(op)
	if err == nil {
		k.took(&op)
	}
	return err
}

func (k *Kernel) do(op mroute.Op) error {
	if err := k.familyErr(op.Family); err != nil {
		return err
	}
	if k.host.fail != nil {
		if err := k.host.fail(op); err != nil {
			return injected(op, err)
		}
	}
	t := k.tables[slot(op.Family)]
	switch op.Kind {
	case mroute.AddVIF:
		return k.addVIF(t, op)
	case mroute.DelVIF:
		if op.VIF < mroute.MaxVIFs {
			t.vifs[op.VIF] = vif{}
		}
		return nil
	case mroute.SetMFC:
		return k.setMFC(t, op)
	case mroute.DelMFC:
		delete(t.mfc, keyOf(op.SG))
		return nil
	case mroute.JoinGroup:
		return k.join(op)
	case mroute.LeaveGroup:
		delete(k.members, membershipOf(op))
		return nil
	}
	return refuse(op, syscall.EOPNOTSUPP, kernel.ErrNotSupported)
}

func (k *Kernel) addVIF(t *table, op mroute.Op) error {
	if op.VIF >= mroute.MaxVIFs {
		return refuse(op, syscall.ENFILE, kernel.ErrVIFTableFull)
	}
	if t.has(op.VIF) {
		return refuse(op, syscall.EADDRINUSE, nil)
	}
	if _, ok := k.host.link(op.Link.Index); !ok {
		return refuse(op, syscall.EADDRNOTAVAIL, kernel.ErrNoLink)
	}
	t.vifs[op.VIF] = vif{link: op.Link.Index, static: t.owner != k || k.keep.static}
	return nil
}

// setMFC adds an entry or replaces it in place, and sends the packets that
// wait for it.
func (k *Kernel) setMFC(t *table, op mroute.Op) error {
	if op.SG.Family() != t.family || !op.SG.Group.IsMulticast() {
		return refuse(op, syscall.EINVAL, nil)
	}
	if op.Entry.IIF >= mroute.MaxVIFs {
		return refuse(op, syscall.ENFILE, nil)
	}
	key := keyOf(op.SG)
	e := t.mfc[key]
	fresh := e == nil
	if fresh {
		e = &entry{}
		t.mfc[key] = e
	}
	e.IIF, e.OIFs = op.Entry.IIF, t.outputs(op.Entry.OIFs)
	e.static = e.static || t.owner != k || k.keep.static
	e.used = k.host.now
	if w := t.queue[key]; fresh && w != nil {
		delete(t.queue, key)
		for _, p := range w.packets {
			k.host.forward(t, e, p)
		}
	}
	return nil
}
