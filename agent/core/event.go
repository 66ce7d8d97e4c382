package core

import (
	"log/slog"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// Event is something that happened.
type Event interface{ isEvent() }

type (
	// SetLayer replaces the layer of that name. If it drops edits, what
	// clients changed goes with what it replaces.
	SetLayer struct {
		Layer     mroute.Layer
		DropEdits bool
	}

	// LinksRead is the full list of links, by index. Those in Gone left the
	// namespace since the last one, even if they are listed again.
	LinksRead struct {
		Links []mroute.Link
		Gone  []int
	}

	// Upcalls are the kernel's questions, in order.
	Upcalls []mroute.Upcall

	// Applied tells how the ops of the last [Apply] went: nil if all
	// succeeded, else an error or nil for each.
	Applied struct{ Errs []error }

	// CountersRead answers a [ReadCounters].
	CountersRead struct {
		ReadCounters
		Err error // nil: Counters has them
	}

	// Expire starts a round of expiry: flows whose count did not change for
	// Age are forgotten. The first visit of a flow only notes its count.
	Expire struct{ Age time.Duration }

	// Retry tries again what failed, if its time has come.
	Retry struct{}

	// Complete says that all who have a say have set their layers once: what is
	// held and nobody wants may go.
	Complete struct{}

	// Continue answers a [Later].
	Continue struct{}

	// SetInbound says on which links packets are taken in, and where those of
	// flows arrive that another table has learned.
	SetInbound struct {
		Inbound mroute.Inbound
		Flows   []mroute.Arrival
	}

	// Follow replaces all that is wanted by what another router wants: see
	// [State.Fork].
	Follow struct{ intent *plan.Intent }

	// SetSignposts says where rules of others lead packets.
	SetSignposts struct{ Signposts mroute.Signposts }

	// Look answers a [LookAgain].
	Look struct{}
)

func (SetLayer) isEvent()     {}
func (LinksRead) isEvent()    {}
func (Upcalls) isEvent()      {}
func (Applied) isEvent()      {}
func (CountersRead) isEvent() {}
func (Expire) isEvent()       {}
func (Retry) isEvent()        {}
func (Continue) isEvent()     {}
func (Complete) isEvent()     {}
func (SetInbound) isEvent()   {}
func (Follow) isEvent()       {}
func (Look) isEvent()         {}
func (SetSignposts) isEvent() {}

// Effect is something to do.
type Effect interface{ isEffect() }

type (
	// Apply wants ops carried out in order, and an [Applied] as the very next
	// event. Ops is valid until then. More says that others follow which
	// [State.Prepare] can work out meanwhile.
	Apply struct {
		Ops  []mroute.Op
		More bool
	}

	// ReadCounters wants a [CountersRead], with the counters of SGs in Counters,
	// which has room for them. Both are valid until then.
	ReadCounters struct {
		Family   mroute.Family
		SGs      []mroute.SG
		Counters []mroute.Counters

		look bool // for a look, not for expiry
	}

	// FlowsChanged tells of entries installed or moved because of upcalls.
	FlowsChanged []FlowChange

	// Strays tells of packets on wrong interfaces: of one entry every 3 s at most.
	Strays []Stray

	// MRDisc is the set of links to send router advertisements on.
	MRDisc struct{ Links []mroute.Link }

	// Log is one line for the log: one for each transition, none for
	// repetition.
	Log struct {
		Level   slog.Level
		Message string
	}

	// Wake wants a [Retry] after that time.
	Wake struct{ After time.Duration }

	// LookAgain wants a [Look] after that time.
	LookAgain struct{ After time.Duration }

	// Later wants a [Continue] when events and calls that wait by now have had
	// their turn: there are more joins to make than should be made in one go.
	Later struct{}

	// Settle says that after [Complete] the kernel has what is wanted of a family,
	// all joins included. Foreign are the entries that nobody wants and that stay,
	// as another program's. It comes again when they become fewer.
	Settle struct {
		Family  mroute.Family
		Foreign []mroute.SG
	}

	// Changed says that a round of changes has ended: a [State.Snapshot] may
	// differ from what it was in more than counters and ages.
	Changed struct{}

	// Crowd says that links have come or gone while more VIFs are wanted than a
	// table has, or some are other tables' business, or packets are led away: see
	// [State.Demand].
	Crowd struct{}
)

func (Apply) isEffect()        {}
func (ReadCounters) isEffect() {}
func (FlowsChanged) isEffect() {}
func (Strays) isEffect()       {}
func (MRDisc) isEffect()       {}
func (Log) isEffect()          {}
func (Wake) isEffect()         {}
func (Later) isEffect()        {}
func (Settle) isEffect()       {}
func (Changed) isEffect()      {}
func (Crowd) isEffect()        {}
func (LookAgain) isEffect()    {}

// Stray is a packet that arrived on another interface than its entry's IIF,
// where no rule covers it either.
type Stray struct {
	SG   mroute.SG
	Link string
}

// FlowChange is an entry that was installed or moved because packets arrived.
type FlowChange struct {
	SG    mroute.SG
	Kind  mroute.EntryKind
	Link  string // where they arrive
	Moved bool   // from another interface

	// Refused says that a rule would have learned the flow, but that there is no
	// room for it: Kind is StopFilter.
	Refused bool
}
