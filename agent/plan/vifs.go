package plan

import "github.com/smcroute/kube-smcroute/agent/mroute"

// VIFs is the interface list of a kernel table: which link has which number.
// The zero value is empty.
type VIFs struct {
	link [mroute.MaxVIFs]int // ifindex, 0 = free, or reserved
	of   map[int]mroute.VIF

	changes int // how often a number was given or taken
}

// Of returns the number of the link with that ifindex.
func (v *VIFs) Of(ifindex int) (mroute.VIF, bool) {
	n, ok := v.of[ifindex]
	return n, ok
}

// Link returns the ifindex behind a number, 0 if it is free, or -1 if it is
// reserved.
func (v *VIFs) Link(n mroute.VIF) int {
	if n >= mroute.MaxVIFs {
		return 0
	}
	return v.link[n]
}

// Set notes that number n is the link's.
func (v *VIFs) Set(n mroute.VIF, ifindex int) {
	if v.of == nil {
		v.of = make(map[int]mroute.VIF)
	}
	v.link[n] = ifindex
	v.of[ifindex] = n
	v.changes++
}

// Clear notes that number n is free.
func (v *VIFs) Clear(n mroute.VIF) {
	delete(v.of, v.link[n])
	v.link[n] = 0
	v.changes++
}

// Changes is how often a number was given or taken: as long as it stays the same,
// so do all numbers.
func (v *VIFs) Changes() int { return v.changes }

// Reserve keeps number n from being given out, though no link has it.
func (v *VIFs) Reserve(n mroute.VIF) {
	v.Clear(n)
	v.link[n] = reserved
}

const reserved = -1

// Len is the number of VIFs in use.
func (v *VIFs) Len() int { return len(v.of) }

// Free returns the lowest free number.
func (v *VIFs) Free() (mroute.VIF, bool) {
	for n := range mroute.VIF(mroute.MaxVIFs) {
		if v.link[n] == 0 {
			return n, true
		}
	}
	return mroute.NoVIF, false
}
