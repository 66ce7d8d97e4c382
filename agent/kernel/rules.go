package kernel

import "github.com/smcroute/kube-smcroute/agent/mroute"

// Spreader is a Kernel that can have more tables beside its own, and rules that
// lead packets there. Only one goroutine at a time calls it.
type Spreader interface {
	Kernel

	// Number is that of its own table.
	Number() uint32

	// Beside claims another table in the same network namespace, kept like this
	// one. It fails with [ErrTableBusy] if anybody has it, in either family that
	// this one has.
	Beside(table uint32) (Kernel, error)

	// Rules lists all rules of a family, in the order in which packets meet them.
	Rules(mroute.Family) ([]Rule, error)

	// AddRules adds rules of our own: all of them, or with an error none. It is no
	// error if one is there already.
	AddRules([]Rule) error

	// DeleteRules deletes those of them that are there, as far as it can.
	DeleteRules([]Rule) error
}

// Rule says what becomes of packets that fall under it: mostly, to which table they go.
type Rule struct {
	Family mroute.Family
	Links  Way
	Table  uint32 // 0: the default one

	// Of rules that are listed:

	Priority uint32 // packets meet low numbers first
	Own      bool   // it bears the mark of this program; else it has been made by somebody else
	Deed     Deed
	Goto     uint32 // if it jumps: the priority of the rule that is next
	Not      bool   // it is for all packets but those of its links
	Some     bool   // of those that it is for only some fall under it, or none
	Void     bool   // nobody has ever had its table: packets pass it over
}

// Deed is what a rule does.
type Deed uint8

// The deeds. To lead packets to its table is the zero one.
const (
	Leads    Deed = iota
	LeadsVRF      // to the table of the VRF that the link is of
	Drops
	Jumps  // to a rule behind it
	Passes // nothing: packets meet the next rule
)

// Plain reports whether a rule leads all packets of its links to its table.
func (r *Rule) Plain() bool { return r.Deed == Leads && !r.Not && !r.Some }

// Falls reports whether some of the packets that arrive on a link fall under the rule,
// or may, and whether all do.
func (r *Rule) Falls(link string) (some, all bool) {
	is := r.Links.Out == "" && (r.Links.In == "" || r.Links.In == link)
	if r.Not {
		return !is || r.Some, !is
	}
	return is, is && !r.Some
}

// Way is on which links a packet must come and go. Rules name links, whether they
// are there or not.
type Way struct {
	In  string // where it arrives; "": anywhere
	Out string // where this very system sends it, as to the kernel it then comes in by lo; "": anywhere or not at all
}

// RulePriority is that of our own rules. It is low, since they say no more than
// by which table the router works that gets the packets anyway.
const RulePriority = 10
