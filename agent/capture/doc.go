// Package capture listens to packets to multicast groups on all links of a network
// namespace: what arrives, before the kernel decides about it, and what leaves. It
// needs CAP_NET_RAW there and changes nothing.
//
// It is a socket of AF_PACKET with a ring that the kernel writes into (TPACKET_V3, see
// the kernel's Documentation/networking/packet_mmap.rst), and a filter in the kernel, so
// that other packets cost nothing but that filter.
//
// What it shows: a packet that comes in at a link is seen before netfilter, rp_filter and
// routing look at it, and one that goes out after netfilter and the queue have let it
// pass. Of a bridge, a bond or a VLAN both the link below and the link above show a
// packet. A packet that this node sends itself is seen going out only, although its copy
// is routed as if it had come in there. docs/kernel-notes.md has the tests.
package capture
