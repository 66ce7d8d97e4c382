package mroute

// Inbound says on which links a router takes packets in, if not on all: those of
// the others go to other tables. The zero value is all links. Links are known by
// name, as to the kernel's rules.
type Inbound struct {
	// Only are the links of a router that has just a part. What is said of links
	// and not of packets, memberships above all, is not its business. nil: all.
	Only map[string]bool

	// Except are links that it leaves to others.
	Except map[string]bool

	// Full is what is said of a link that finds no free VIF; "": that all are taken.
	Full string
}

// Takes reports whether packets are taken in on the link of that name.
func (in *Inbound) Takes(name string) bool {
	return (in.Only == nil || in.Only[name]) && !in.Except[name]
}

// Limits reports whether there are links that it does not take.
func (in *Inbound) Limits() bool { return in.Only != nil || len(in.Except) > 0 }

// Demand is what VIFs are wanted for.
type Demand struct {
	Wanted int    // how many links want one, in one table for all
	Needs  []Need // of the inbound links, in order of first mention; none if a table has room for all

	// Missed are the links whose packets are wanted and led away, and why: see
	// [Signpost].
	Missed map[string]string
}

// Need is what packets that arrive on one link need.
type Need struct {
	Link  string
	Index int
	With  []int // ifindexes of the links that need a VIF, this one among them, ascending
	Here  bool  // the link itself has one in the table that was asked
}

// Arrival is where the packets of a flow were seen to arrive.
type Arrival struct {
	SG   SG
	Link int // ifindex
}
