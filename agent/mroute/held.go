package mroute

// Held is what a table held when a router got it: what a process before it, or
// another program, had left there.
type Held struct {
	VIFs    map[VIF]int // ifindex by number
	Entries map[SG]Entry

	// Own says that Entries and VIFs are this router's own, left by the process
	// before it: what of them nobody wants goes. Else nobody knows whose they
	// are: what is wanted is taken over, the rest is another program's and stays.
	Own bool

	// Foreign are entries known to be another program's, and so are the VIFs that
	// they name. They are not in Entries.
	Foreign map[SG]Entry
}

// Empty reports whether nothing was there.
func (h *Held) Empty() bool { return len(h.VIFs)+len(h.Entries)+len(h.Foreign) == 0 }
