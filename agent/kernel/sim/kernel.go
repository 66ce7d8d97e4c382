package sim

import (
	"errors"
	"maps"
	"slices"
	"syscall"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Kernel is a program's handle to one table of both families on a host.
type Kernel struct {
	host    *Host
	tables  [2]*table // by slot; nil: not claimed, see errs
	errs    [2]error
	members map[membership]bool
	upcalls [2][]mroute.Upcall // the sockets' receive queues
	news    bool               // links have changed since Watch told so
	gone    []int              // ifindexes of those that left meanwhile
	wake    chan struct{}      // has room for one
	closed  bool
	id      uint32
	keep    keeping
	held    [2]mroute.Held // until settled
	foreign [2]kernel.Foreign
	settled [2]bool
}

var _ kernel.Kernel = (*Kernel)(nil)

// Open claims table id in both families (MRT_INIT). It fails if it gets neither.
func (h *Host) Open(id uint32) (*Kernel, error) { return h.open(id, keeping{own: true}) }

// OpenGuest opens a table without owning it, as any program with CAP_NET_ADMIN
// may. What it adds is static: it survives the owner and the guest. A guest
// gets no upcalls.
func (h *Host) OpenGuest(id uint32) (*Kernel, error) { return h.open(id, keeping{}) }

func (h *Host) open(id uint32, keep keeping) (*Kernel, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := &Kernel{host: h, id: id, keep: keep, members: map[membership]bool{}, wake: make(chan struct{}, 1)}
	for _, f := range mroute.Families {
		t := h.table(f, id)
		switch {
		case h.lacks[slot(f)]:
			k.errs[slot(f)] = &kernel.Error{Op: "MRT_INIT", Object: tableName(f, id), Errno: syscall.ENOPROTOOPT, Cause: kernel.ErrNotSupported}
			continue
		case keep.store && t.owner != nil && t.owner.closed:
			k.adopt(t)
			continue
		case keep.own && t.owner != nil:
			k.errs[slot(f)] = &kernel.Error{Op: "MRT_INIT", Object: tableName(f, id), Errno: syscall.EADDRINUSE, Cause: kernel.ErrTableBusy}
			continue
		case keep.own:
			t.owner = k
			k.find(t, false)
		}
		k.tables[slot(f)] = t
	}
	if k.errs[0] != nil && k.errs[1] != nil {
		return nil, errors.Join(k.errs[0], k.errs[1])
	}
	h.kernels = append(h.kernels, k)
	return k, nil
}

// table returns a table, which is made when first asked for.
func (h *Host) table(f mroute.Family, id uint32) *table {
	for _, t := range h.tables {
		if t.family == f && t.id == id {
			return t
		}
	}
	t := newTable(f, id)
	h.tables = append(h.tables, t)
	return t
}

// slot is the position of a family in arrays.
func slot(f mroute.Family) int {
	if f == mroute.IPv4 {
		return 0
	}
	return 1
}

func (k *Kernel) clone(h *Host) *Kernel {
	return &Kernel{
		host:    h,
		errs:    k.errs,
		members: maps.Clone(k.members),
		upcalls: [2][]mroute.Upcall{slices.Clone(k.upcalls[0]), slices.Clone(k.upcalls[1])},
		news:    k.news,
		gone:    slices.Clone(k.gone),
		wake:    make(chan struct{}, 1),
		closed:  k.closed,
		id:      k.id,
		keep:    k.keep,
		held:    k.held,
		settled: k.settled,
		foreign: [2]kernel.Foreign{k.foreign[0].Clone(), k.foreign[1].Clone()},
	}
}

// FamilyErr implements kernel.Table.
func (k *Kernel) FamilyErr(f mroute.Family) error {
	k.host.mu.Lock()
	defer k.host.mu.Unlock()
	return k.familyErr(f)
}

func (k *Kernel) familyErr(f mroute.Family) error {
	if k.closed {
		return &kernel.Error{Op: "use", Object: f.String(), Errno: syscall.EBADF}
	}
	if f != mroute.IPv4 && f != mroute.IPv6 {
		return &kernel.Error{Op: "use", Object: f.String(), Errno: syscall.EAFNOSUPPORT, Cause: kernel.ErrNotSupported}
	}
	return k.errs[slot(f)]
}

// Apply implements kernel.Table.
func (k *Kernel) Apply(ops []mroute.Op) []error {
	k.host.mu.Lock()
	defer k.host.mu.Unlock()
	var errs []error
	for i, op := range ops {
		if err := k.apply(op); err != nil {
			if errs == nil {
				errs = make([]error, len(ops))
			}
			errs[i] = err
		}
	}
	return errs
}

// Counters implements kernel.Table.
func (k *Kernel) Counters(f mroute.Family, sgs []mroute.SG, out []mroute.Counters) error {
	k.host.mu.Lock()
	defer k.host.mu.Unlock()
	if err := k.familyErr(f); err != nil {
		return err
	}
	t := k.tables[slot(f)]
	for i, sg := range sgs {
		e := t.mfc[keyOf(sg)]
		if e == nil {
			out[i] = mroute.Counters{Idle: -1}
			continue
		}
		out[i] = mroute.Counters{Packets: e.packets, Bytes: e.bytes, WrongIf: e.wrongIf, Idle: k.host.now.Sub(e.used)}
	}
	return nil
}

// Dump implements kernel.Table. It hides inputs and outputs whose VIF is gone.
func (k *Kernel) Dump(f mroute.Family) (kernel.Dump, error) {
	k.host.mu.Lock()
	defer k.host.mu.Unlock()
	if err := k.familyErr(f); err != nil {
		return kernel.Dump{}, err
	}
	return k.tables[slot(f)].dump(), nil
}

// Links implements kernel.Observer.
func (k *Kernel) Links() ([]mroute.Link, error) { return k.host.Links(), nil }

// Close implements kernel.Table. A guest's VIFs and entries stay.
func (k *Kernel) Close() error {
	k.host.mu.Lock()
	defer k.host.mu.Unlock()
	if k.closed {
		return nil
	}
	for _, t := range k.tables {
		if t != nil && t.owner == k {
			k.empty(t)
			t.owner = nil
			t.flush()
		}
	}
	for _, f := range mroute.Families {
		k.dropOlder(f)
	}
	k.end()
	return nil
}

// end has the program be one that has ended.
func (k *Kernel) end() {
	k.closed = true
	k.host.kernels = slices.DeleteFunc(k.host.kernels, func(other *Kernel) bool { return other == k })
}
