// Package mrdisc tells snooping switches where the multicast routers are:
// Multicast Router Discovery, RFC 4286, for IPv4 and IPv6.
//
// The codec ([Message], [Append], [Parse]) and the timing (schedule) are pure.
// [Announcer] is the shell around them, with a raw socket for each interface
// and family.
package mrdisc
