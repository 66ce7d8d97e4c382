// Package kerneltest is the contract of a kernel.Kernel: what the engine relies
// on, fact by fact. It is run against the simulator and against the real
// kernel, so that the engine's tests on the one say something about the other.
package kerneltest

import (
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// World is an empty network namespace that lives for one test. Methods without
// an error end the test when they fail.
type World interface {
	// Open opens table id; 0 is the one that packets go to. The handle is
	// closed at the end of the test at the latest.
	Open(table uint32) (kernel.Kernel, error)

	// OpenKept opens table id for a program that is kept by one keeper of the
	// world's, with static VIFs and entries or without. Another may be opened when
	// the one before was detached.
	OpenKept(table uint32, static bool) (kernel.Kernel, error)

	// EndKeeper closes what the keeper holds.
	EndKeeper()

	// Guest has another program, which owns no table, set VIFs and entries.
	Guest(table uint32, ops ...mroute.Op)

	// AddLink makes a link that is up and has IFF_MULTICAST, ready to carry
	// packets of both families.
	AddLink(name string)

	DeleteLink(name string)
	RenameLink(name, to string)

	// SetUp sets IFF_UP, and waits until the link carries packets again.
	SetUp(name string, up bool)

	// SetMulticast sets or clears IFF_MULTICAST.
	SetMulticast(name string, on bool)

	// Send has a packet arrive on a link. It has left, or never will, unless it waits
	// for an entry.
	Send(link string, sg mroute.SG, ttl uint8)

	// Left counts the packets of sg that left through a link since it was
	// made, under whatever name.
	Left(link string, sg mroute.SG) int

	// Memberships lists at least what handles have joined on a link.
	Memberships(link string) []mroute.SG

	// Await calls cond until it is true. If it stays false for some seconds
	// (10 are enough) it ends the test: "timed out waiting for WHAT".
	Await(what string, cond func() bool)
}
