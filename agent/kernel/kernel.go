// Package kernel is the port between the agent and a multicast routing table
// of the kernel: what the engine asks of it, and the errors it may answer with.
//
// Two backends implement it: linux, on the real kernel, and sim, a small state
// machine with the kernel's quirks. Package kerneltest holds the contract that
// both must pass.
package kernel

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Table is one multicast routing table in one network namespace, in those
// families that could be claimed. Only the engine calls it, one method at a time,
// from whatever goroutine.
type Table interface {
	// FamilyErr is nil if the family's table is this program's own, else the
	// *Error with which claiming it failed.
	FamilyErr(mroute.Family) error

	// Apply carries out ops in order. It returns nil if all succeeded, else a
	// slice as long as ops that holds a *Error for each which failed. A
	// failure does not stop those after it. Deleting what is not there, and
	// joining what is joined, is success.
	//
	// SetMFC must only name VIFs that exist: the kernel forgets the others
	// silently, and for good. A link must have one VIF at most in a table:
	// some of the kernel's messages name links instead of VIFs.
	Apply(ops []mroute.Op) []error

	// Counters reads the counts of the entries sgs, which are all of one
	// family, into out, which is as long. An entry that is not there gives
	// zero counters and an Idle of -1.
	Counters(f mroute.Family, sgs []mroute.SG, out []mroute.Counters) error

	// Dump reads back what the kernel holds: for tests, and for adopting the
	// state of a process that went before. It may be incomplete while entries
	// are being deleted, and never shows outputs whose VIF is gone.
	Dump(mroute.Family) (Dump, error)

	// Held tells what the family's table held when it was claimed. It is empty
	// unless a process before this one, or another program, had left something.
	Held(mroute.Family) mroute.Held

	// Settle says that all who have a say have told what they want, and that the
	// kernel has it: foreign are the entries that stay although nobody wants them.
	// They are Foreign to the next process, for which all else is its own. What the
	// process before had joined is given up. It may be called again: what is
	// foreign can become this program's own.
	Settle(f mroute.Family, foreign []mroute.SG) error

	// Close gives up the tables: VIFs, entries and memberships vanish, but for
	// those of other programs.
	Close() error

	// Detach ends like Close, but leaves VIFs, entries and memberships to the next
	// process. Without anything that keeps them (see package keep) it is Close.
	Detach() error
}

// Dump is the content of one family's table.
type Dump struct {
	VIFs    map[mroute.VIF]int // ifindex by number
	Entries map[mroute.SG]mroute.Entry
}

// Observer tells what happens in the kernel.
type Observer interface {
	// Links lists the interfaces of the namespace, by index.
	Links() ([]mroute.Link, error)

	// Watch sends events until ctx is done, and returns nil then. It blocks
	// when events is not read; what the kernel drops meanwhile shows as a
	// LinksChanged, a RulesChanged, or as upcalls that come again.
	Watch(ctx context.Context, events chan<- Event) error
}

// Loser is a [Table] that can tell how many upcalls the kernel has dropped because
// too many waited to be read.
type Loser interface {
	// UpcallsLost counts from when the table was claimed first, also if that was an
	// earlier process. It goes round at 2^32.
	UpcallsLost(mroute.Family) uint32
}

// Kernel is both ends of the port.
type Kernel interface {
	Table
	Observer
}

// Event is LinksChanged, RulesChanged or Upcalls.
type Event interface{ isEvent() }

// LinksChanged says that Links would answer differently now, perhaps.
type LinksChanged struct {
	// Gone are the ifindexes of links that left the namespace. Their VIFs went
	// with them, even if a link with that very index is back by now.
	Gone []int
}

// RulesChanged says that [Spreader.Rules] would answer differently now, perhaps.
type RulesChanged struct{}

// Upcalls are questions of the kernel, in order of arrival.
type Upcalls struct {
	List []mroute.Upcall
	Read time.Time // when they were read; zero: just now

	// From can have more; nil: none. List is good until it is asked, or told that
	// it is Done, which it waits for.
	From Asker
}

// Asker is who reads questions of the kernel. Under a flood of new flows it is
// quicker to ask for the next than to wait until they are sent.
type Asker interface {
	// More reads what has come since, and when that was. None: there is nothing now.
	// The list is good until the next call.
	More() ([]mroute.Upcall, time.Time)

	// Done lets it read, and send, by itself again.
	Done()
}

func (LinksChanged) isEvent() {}
func (RulesChanged) isEvent() {}
func (Upcalls) isEvent()      {}

// Sentinels for errors.Is. Backends give them through *Error, whose Errno maps
// to them.
var (
	ErrTableBusy    = errors.New("the multicast routing table is in use by another process")
	ErrNotSupported = errors.New("the kernel lacks support for this multicast routing feature")
	ErrPermission   = errors.New("the CAP_NET_ADMIN and CAP_NET_RAW capabilities are needed")
	ErrVIFTableFull = errors.New("all 32 VIFs of the table are taken")
	ErrNoLink       = errors.New("there is no such interface")
	ErrLimit        = errors.New("a kernel limit on group memberships is reached")
)

// Error is a call to the kernel that failed.
type Error struct {
	Op     string        // what was tried: "MRT_INIT", "AddVIF"
	Object string        // on what: "IPv4 table 0", "eth0"
	Errno  syscall.Errno // 0 if the kernel was not the one to refuse
	Cause  error         // a sentinel, or nil
}

// Error returns "OP OBJECT: reason".
func (e *Error) Error() string {
	reason := e.Errno.Error()
	if e.Cause != nil {
		reason = e.Cause.Error()
		if e.Errno != 0 {
			reason += fmt.Sprintf(" (%v)", e.Errno)
		}
	}
	return e.Op + " " + e.Object + ": " + reason
}

// Unwrap gives the sentinel and the errno to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Cause != nil {
		errs = append(errs, e.Cause)
	}
	if e.Errno != 0 {
		errs = append(errs, e.Errno)
	}
	return errs
}

// CauseOf names the cause of an error of this package for those who report it.
// It is 0 if err is nil, and [mroute.CauseKernel] if no other fits.
func CauseOf(err error) mroute.Cause {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrTableBusy):
		return mroute.CauseTableInUse
	case errors.Is(err, ErrNotSupported):
		return mroute.CauseNotSupported
	case errors.Is(err, ErrPermission):
		return mroute.CausePermission
	case errors.Is(err, ErrVIFTableFull):
		return mroute.CauseVIFTableFull
	case errors.Is(err, ErrNoLink):
		return mroute.CauseNoInterface
	}
	return mroute.CauseKernel
}
