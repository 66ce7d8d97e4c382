package kernel

import (
	"maps"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Found is what a backend found in a family's table when it claimed that, and
// what it knows of it.
type Found struct {
	Dump

	// Static are the entries that the kernel keeps without an owner of the table.
	Static map[mroute.SG]bool

	// Adopted says that the process before this one had left the table claimed.
	Adopted bool
}

// Held tells whose what was found is. A program whose own VIFs and entries are
// static needs records: known says whether they tell of this table, and foreign
// what they say. They are written when the table is claimed, so that those of an
// adopted one are missing only if they were lost: it is the program's own all the
// same. One whose own are not static owns what is not, and leaves static entries
// alone: they are another program's.
func (f *Found) Held(static, known bool, foreign []mroute.SG) mroute.Held {
	h := mroute.Held{VIFs: f.VIFs, Entries: f.Entries, Own: f.Adopted}
	if static {
		h.Own = known || f.Adopted
	} else {
		foreign = slices.Collect(maps.Keys(f.Static))
	}
	for _, sg := range foreign {
		if e, ok := h.Entries[sg]; ok {
			if h.Foreign == nil {
				h.Foreign = map[mroute.SG]mroute.Entry{}
			}
			h.Foreign[sg] = e
			delete(h.Entries, sg)
		}
	}
	return h
}

// Foreign is what in a family's table is another program's, as far as the one
// that has claimed it knows. The zero value is nothing.
type Foreign struct {
	entries map[mroute.SG]bool
	vifs    map[mroute.VIF]bool // beside those of entries
}

// NewForeign returns what a program must take for another's at first.
func NewForeign(h mroute.Held) Foreign {
	f := Foreign{entries: map[mroute.SG]bool{}, vifs: map[mroute.VIF]bool{}}
	f.Settle(slices.Collect(maps.Keys(h.Foreign)))
	if !h.Own {
		for sg := range h.Entries {
			f.entries[sg] = true
		}
		for v := range h.VIFs {
			f.vifs[v] = true
		}
	}
	return f
}

// Settle says that all is the program's own but for the entries, and the VIFs
// that they name.
func (f *Foreign) Settle(entries []mroute.SG) {
	f.entries, f.vifs = map[mroute.SG]bool{}, map[mroute.VIF]bool{}
	for _, sg := range entries {
		f.entries[sg] = true
	}
}

// Took says that the program has set or deleted an entry, or a VIF. It reports
// whether that was another's.
func (f *Foreign) Took(op *mroute.Op) bool {
	before := len(f.entries) + len(f.vifs)
	switch op.Kind {
	case mroute.SetMFC, mroute.DelMFC:
		delete(f.entries, op.SG)
	case mroute.AddVIF, mroute.DelVIF:
		delete(f.vifs, op.VIF)
	}
	return len(f.entries)+len(f.vifs) < before
}

// Entries lists those that are another's.
func (f *Foreign) Entries() []mroute.SG {
	return slices.SortedFunc(maps.Keys(f.entries), mroute.SG.Compare)
}

// Empty reports whether all is the program's own.
func (f *Foreign) Empty() bool { return len(f.entries)+len(f.vifs) == 0 }

// Own lists what of a table is the program's own, in the order in which it can
// be removed.
func (f *Foreign) Own(d Dump) (entries []mroute.SG, vifs []mroute.VIF) {
	used := map[mroute.VIF]bool{}
	maps.Copy(used, f.vifs)
	for sg, e := range d.Entries {
		if !f.entries[sg] {
			entries = append(entries, sg)
			continue
		}
		used[e.IIF] = true
		for v, threshold := range e.OIFs {
			if threshold != 0 {
				used[mroute.VIF(v)] = true
			}
		}
	}
	for v := range d.VIFs {
		if !used[v] {
			vifs = append(vifs, v)
		}
	}
	slices.SortFunc(entries, mroute.SG.Compare)
	slices.Sort(vifs)
	return entries, vifs
}

// Clone returns a copy that lives on its own.
func (f *Foreign) Clone() Foreign {
	return Foreign{entries: maps.Clone(f.entries), vifs: maps.Clone(f.vifs)}
}
