package sim

import (
	"maps"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// keeping is how a program has its tables: see package keep.
type keeping struct {
	own    bool // it does MRT_INIT
	store  bool // a keeper holds its sockets beyond its end
	static bool // the kernel keeps what it adds
}

// OpenKept is Open for a program whose sockets a keeper holds as well. After
// Detach they are the keeper's, until another OpenKept adopts them. With static
// all that is added stays in the kernel even without a keeper.
func (h *Host) OpenKept(id uint32, static bool) (*Kernel, error) {
	return h.open(id, keeping{own: true, store: true, static: static})
}

// EndKeeper closes what the keeper holds of programs that have ended, as if
// both had been killed. Programs that run go on, and are kept by a new one.
func (h *Host) EndKeeper() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, k := range h.left {
		for _, t := range k.tables {
			if t != nil && t.owner == k {
				t.owner = nil
				t.flush()
			}
		}
	}
	h.left = nil
}

// adopt takes a table over from the program that has left it, with the upcalls
// that nobody has read.
func (k *Kernel) adopt(t *table) {
	i := slot(t.family)
	k.upcalls[i], t.owner.upcalls[i] = t.owner.upcalls[i], nil
	t.owner, k.tables[i] = k, t
	k.find(t, true)
	k.askAgain(t)
	k.wakeup()
}

// askAgain has the kernel forget flows that wait for an answer of the program
// before, so that it asks about their next packets.
func (k *Kernel) askAgain(t *table) {
	for sg := range t.queue {
		if !slices.ContainsFunc(k.upcalls[slot(t.family)], func(u mroute.Upcall) bool {
			return u.Kind == mroute.NoCache && keyOf(u.SG) == sg
		}) {
			delete(t.queue, sg)
		}
	}
}

// find notes what the table holds when it is claimed.
func (k *Kernel) find(t *table, adopted bool) {
	found := kernel.Found{Dump: t.dump(), Static: map[mroute.SG]bool{}, Adopted: adopted}
	for sg, e := range t.mfc {
		if e.static {
			found.Static[sg] = true
		}
	}
	held := found.Held(k.keep.static, t.recorded, t.foreign)
	i := slot(t.family)
	k.held[i], k.foreign[i] = held, kernel.NewForeign(held)
	if k.keep.static && !t.recorded {
		t.recorded, t.foreign = true, k.foreign[i].Entries()
	}
}

// Held implements kernel.Table.
func (k *Kernel) Held(f mroute.Family) mroute.Held {
	k.host.mu.Lock()
	defer k.host.mu.Unlock()
	if k.familyErr(f) != nil {
		return mroute.Held{}
	}
	h := k.held[slot(f)]
	h.VIFs, h.Entries, h.Foreign = maps.Clone(h.VIFs), maps.Clone(h.Entries), maps.Clone(h.Foreign)
	return h
}

// Settle implements kernel.Table.
func (k *Kernel) Settle(f mroute.Family, foreign []mroute.SG) error {
	k.host.mu.Lock()
	defer k.host.mu.Unlock()
	if err := k.familyErr(f); err != nil {
		return err
	}
	t := k.tables[slot(f)]
	k.held[slot(f)], k.settled[slot(f)] = mroute.Held{}, true
	k.foreign[slot(f)].Settle(foreign)
	if k.keep.static {
		t.recorded, t.foreign = true, slices.Clone(foreign)
	}
	k.dropOlder(f)
	return nil
}

// took notes that an entry of another program has become this one's.
func (k *Kernel) took(op *mroute.Op) {
	foreign := &k.foreign[slot(op.Family)]
	if t := k.tables[slot(op.Family)]; foreign.Took(op) && k.keep.static && k.settled[slot(op.Family)] {
		t.foreign = foreign.Entries()
	}
}

// dropOlder gives up what programs before this one had joined, in one family.
func (k *Kernel) dropOlder(f mroute.Family) {
	if !k.keep.store {
		return
	}
	for _, old := range k.host.left {
		if old.id == k.id {
			maps.DeleteFunc(old.members, func(m membership, _ bool) bool { return m.sg.Family() == f })
		}
	}
	k.host.left = slices.DeleteFunc(k.host.left, func(old *Kernel) bool {
		return len(old.members) == 0 && !old.owns()
	})
}

// owns reports whether a table is claimed with one of the program's sockets.
func (k *Kernel) owns() bool {
	return slices.ContainsFunc(k.tables[:], func(t *table) bool { return t != nil && t.owner == k })
}

// Detach implements kernel.Table.
func (k *Kernel) Detach() error {
	if !k.keep.store {
		return k.Close()
	}
	k.host.mu.Lock()
	defer k.host.mu.Unlock()
	if !k.closed {
		k.end()
		k.host.left = append(k.host.left, k)
	}
	return nil
}

// empty removes what is static and this program's own, before the table is
// given up.
func (k *Kernel) empty(t *table) {
	if !k.keep.static {
		return
	}
	t.recorded, t.foreign = false, nil
	entries, vifs := k.foreign[slot(t.family)].Own(t.dump())
	for _, sg := range entries {
		delete(t.mfc, sg)
	}
	for _, v := range vifs {
		t.vifs[v] = vif{}
	}
}
