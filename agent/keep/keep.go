// Package keep lets a program leave kernel state to the process that comes
// after it: a store holds its descriptors when it ends, in whichever way, and
// records tell what in the kernel's tables is its own.
package keep

import "os"

// Store holds descriptors under names for a program, and hands them to the next
// process of it. What the program closes itself lives on in the store, and what
// it put there must be dropped there to end. All methods may be called at any
// time, from any goroutine.
type Store interface {
	// Names lists what is held, in order.
	Names() []string

	// Get returns a descriptor of its own for what is held under the name, or nil.
	// Whether it blocks is one thing with what is held: mind [os.File.Fd].
	Get(name string) *os.File

	// Put has fd held under the name as well, in the place of what was there. It
	// returns when that is so, or why it is not: the store goes on trying.
	// A table that nobody takes over is emptied in the end if flush is set:
	// fd must then be the socket that owns it (MRT_INIT of linux/mroute.h).
	Put(name string, fd int, flush bool) error

	// Drop ends what is held under the name, if anything is.
	Drop(name string)

	// Lasts reports whether the tables held, which have names that end in
	// OwnerSuffix, would outlive this process if that ended now.
	Lasts() bool
}

// OwnerSuffix ends the names of sockets that own tables. All else can be had
// again: who ends must not empty the tables for lack of it.
const OwnerSuffix = "/owner"

// Keeping is how a program keeps its state in the kernel beyond its end.
type Keeping struct {
	Store Store

	// Static has the kernel itself keep VIFs and entries when no process is left
	// that holds the table. They forward again as soon as there is one. Somebody
	// must remove them in the end. Else they go with the last holder.
	Static bool

	// Records tell whose Static VIFs and entries are; nil: nobody knows.
	Records *Records
}
