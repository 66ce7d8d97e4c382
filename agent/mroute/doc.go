// Package mroute is the vocabulary of multicast routing that the rest of the
// agent speaks: plain values on net/netip, most of them comparable.
//
// It is pure: no system calls, clocks, loggers or goroutines. Names are those
// of the kernel and of RFC 4601: VIF (called MIF in IPv6; one word serves both
// here), MFC, (S,G), IIF, OIF, TTL threshold, upcall.
package mroute
