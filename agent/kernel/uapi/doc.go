// Package uapi holds the byte-exact codecs of the kernel's interface to
// multicast routing: linux/mroute.h, linux/mroute6.h, the group requests of
// linux/in.h, and the rtnetlink messages of the families RTNL_FAMILY_IPMR and
// RTNL_FAMILY_IP6MR.
//
// It is pure. C names stand beside the Go ones. Types are named like the C
// structs; Append methods write behind b without allocating if it has room.
// Integers are in the order of the machine, addresses in network order.
//
// Structs with an unsigned long differ between 32-bit and 64-bit kernels; their
// codecs take a [Word], so that one run of the tests checks both.
package uapi

import (
	"fmt"
	"math/bits"
)

// Word is the size of the kernel's unsigned long in bytes, 4 or 8. It is also
// the alignment of struct sockaddr_storage.
type Word int

// NativeWord is the Word of the machine that this program was built for.
const NativeWord Word = bits.UintSize / 8

// MaxVIFs is the size of a table: MAXVIFS and MAXMIFS.
const MaxVIFs = 32

// FormatError is a message of the kernel that does not have its documented form.
type FormatError struct {
	What   string // the struct or message
	Detail string // what was found and what was expected
}

// Error returns "WHAT: DETAIL".
func (e *FormatError) Error() string { return e.What + ": " + e.Detail }

func short(what string, got, want int) error {
	return &FormatError{What: what, Detail: fmt.Sprintf("%d bytes, expected at least %d", got, want)}
}
