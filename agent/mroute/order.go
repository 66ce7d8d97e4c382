package mroute

// Ascent tells whether (S,G) come in order, by group and then source or by source
// and then group: so do those of most large files, which then need no table of what
// was there before. The zero Ascent is that of none.
type Ascent struct {
	last     SG
	some     bool
	unsorted [2]bool // by group, by source
}

// Add takes the next, and reports whether all came in order so far, none twice.
func (a *Ascent) Add(sg SG) bool {
	if a.some {
		a.unsorted[0] = a.unsorted[0] || a.last.Compare(sg) >= 0
		a.unsorted[1] = a.unsorted[1] || a.last.CompareBySource(sg) >= 0
	}
	a.last, a.some = sg, true
	return a.Sorted()
}

// Sorted is what Add returned last.
func (a *Ascent) Sorted() bool { return !a.unsorted[0] || !a.unsorted[1] }

// Compare is the order in which they came, if they did.
func (a *Ascent) Compare(x, y SG) int {
	if a.unsorted[0] {
		return x.CompareBySource(y)
	}
	return x.Compare(y)
}
