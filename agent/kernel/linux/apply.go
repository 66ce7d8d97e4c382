package linux

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// minBatch is the number of entries from which one rtnetlink message is quicker
// than a setsockopt for each.
const minBatch = 4

// Apply implements [kernel.Table]. IPv4 entries that follow one another go to the
// kernel up to 512 at a time; everything else is a system call for each.
func (k *Kernel) Apply(ops []mroute.Op) []error {
	var errs []error
	fail := func(i int, err error) {
		if err == nil {
			return
		}
		if errs == nil {
			errs = make([]error, len(ops))
		}
		errs[i] = err
	}
	k.batch = k.batch[:0]
	var before *mroute.Op // the one that the batch ends with
	for i := range ops {
		op := &ops[i]
		if k.batches(op, before) {
			before = op
			if k.batch = append(k.batch, i); len(k.batch) == setBatch {
				k.flush(ops, fail)
			}
			continue
		}
		before = nil
		k.flush(ops, fail)
		fail(i, k.apply(op))
	}
	k.flush(ops, fail)
	k.took(ops, errs)
	return errs
}

// batches reports whether op can be part of a rtnetlink message, behind another if
// before is not nil. That has no words for VIF 31 as an output, and names the input by
// its link.
func (k *Kernel) batches(op, before *mroute.Op) bool {
	if op.Family != mroute.IPv4 {
		return false
	}
	o := k.owner(op.Family)
	switch op.Kind {
	case mroute.SetMFC:
		return o.err == nil && op.Entry.OIFs[uapi.MaxNetlinkVIFs] == 0 && (sameIIF(op, before) || o.hasVIF(op.Entry.IIF))
	case mroute.DelMFC:
		return o.err == nil
	}
	return false
}

// sameIIF reports whether both are of the same inbound VIF, so that what holds for the
// one before holds for op.
func sameIIF(op, before *mroute.Op) bool {
	return before != nil && before.Kind == mroute.SetMFC && before.Entry.IIF == op.Entry.IIF
}

// hasVIF reports whether the VIF was added, and is the only one of its link.
func (o *owner) hasVIF(vif mroute.VIF) bool {
	if vif >= mroute.MaxVIFs || o.vifs[vif] == 0 {
		return false
	}
	for i, ifindex := range o.vifs {
		if ifindex == o.vifs[vif] && mroute.VIF(i) != vif {
			return false
		}
	}
	return true
}

// apply does one op with a system call of its own.
func (k *Kernel) apply(op *mroute.Op) error {
	switch op.Kind {
	case mroute.JoinGroup:
		return opError(op, k.groups[familyIndex(op.Family)].join(op.SG, op.Link.Index))
	case mroute.LeaveGroup:
		return opError(op, k.groups[familyIndex(op.Family)].leave(op.SG, op.Link.Index))
	}
	o := k.owner(op.Family)
	if o.err != nil {
		return o.err
	}
	switch op.Kind {
	case mroute.AddVIF:
		return k.addVIF(o, op)
	case mroute.DelVIF:
		return k.delVIF(o, op)
	case mroute.SetMFC:
		return k.setsockoptMFC(o, op, uapi.MRTAddMFC)
	case mroute.DelMFC:
		return k.setsockoptMFC(o, op, uapi.MRTDelMFC)
	}
	return &kernel.Error{Op: "Apply", Object: fmt.Sprintf("op kind %d", op.Kind), Errno: unix.EINVAL}
}

func (k *Kernel) setsockoptMFC(o *owner, op *mroute.Op, opt int) error {
	mfc := uapi.MFC{Origin: op.SG.Source, Group: op.SG.Group, Parent: uint16(op.Entry.IIF)}
	for i, ttl := range op.Entry.OIFs {
		mfc.TTLs[i] = uint8(ttl)
	}
	k.value = mfc.Append(k.value[:0])
	errno := setsockopt(o.setter(), level(op.Family), opt, k.value)
	if opt == uapi.MRTDelMFC && errno == unix.ENOENT {
		errno = 0
	}
	return opError(op, errno)
}

// flush does the ops that wait in k.batch.
func (k *Kernel) flush(ops []mroute.Op, fail func(int, error)) {
	batch := k.batch
	k.batch = k.batch[:0]
	if len(batch) < minBatch || !k.netlinkMFC(ops, batch, fail) {
		for _, i := range batch {
			fail(i, k.apply(&ops[i]))
		}
	}
}

// netlinkMFC sends a batch in one message. The kernel carries out each request
// whether or not others fail, and answers those that fail. Only the last asks
// for an answer in any case, which tells that the kernel came to the end. False
// means that answers are missing; setting entries again does no harm.
func (k *Kernel) netlinkMFC(ops []mroute.Op, batch []int, fail func(int, error)) bool {
	o := k.owner(mroute.IPv4)
	req := uapi.RouteRequest{Table: k.tableID(mroute.IPv4), Static: o.guest != 0}
	first := k.cmd.reserve(len(batch))
	b := k.request[:0]
	var before *mroute.Op // an entry, whose request begins at start
	start := 0
	for n, i := range batch {
		op := &ops[i]
		var flags uint16
		if n == len(batch)-1 {
			flags = uapi.NLMFAck
		}
		seq, end := first+uint32(n), len(b)
		if op.Kind == mroute.SetMFC && before != nil && before.Entry.Forwards(op.Entry) {
			b = uapi.AppendSameRoute(b, start, seq, flags, op.SG.Source, op.SG.Group)
			start = end
			continue
		}
		req.Src, req.Dst = op.SG.Source, op.SG.Group
		if op.Kind == mroute.DelMFC {
			b, before = req.AppendDelRoute(b, seq, flags), nil
			continue
		}
		before, start = op, end
		req.Iif = uint32(o.vifs[op.Entry.IIF])
		for v, ttl := range op.Entry.OIFs {
			req.TTLs[v] = uint8(ttl)
		}
		b = req.AppendNewRoute(b, seq, flags)
	}
	k.request = b
	ended := false
	lost, err := k.cmd.transact(b, first, len(batch), func(n int, m uapi.Message) error {
		ended = ended || n == len(batch)-1
		errno, err := m.Errno()
		if err != nil || m.Type != uapi.NLMsgError {
			return err
		}
		op := &ops[batch[n]]
		if op.Kind == mroute.DelMFC && syscall.Errno(errno) == unix.ENOENT {
			errno = 0
		}
		fail(batch[n], opError(op, syscall.Errno(errno)))
		return nil
	})
	return ended && !lost && err == nil
}
