// Package trace follows streams through a node. It is given packets as they were seen on
// links, coming in and going out, and tells for each link how many there were, with which
// TTLs, and which are missing by their own numbers; and, comparing links, which packets
// came in and did not go out.
//
// Numbers are those of RTP (RFC 3550), which ST 2110 and MPEG-TS over RTP have, continuity
// counters of MPEG-TS (ISO/IEC 13818-1), and those of this project's mcast. To compare links
// none is needed: a packet is known by what routers leave as it is.
//
// Memory is bounded whatever comes. What is beyond is counted, and said. Packets are from
// anybody: nothing in them is trusted.
//
// The package is pure: no system calls, clocks, loggers or goroutines.
package trace
