// Package symptoms shows, with real packets, what docs/troubleshooting.md says
// about each reason for which a stream does not arrive: that the packets are
// lost as the page says, that the counters which it names tell so, and that its
// cure helps. The router is the real smcrouted; what the kernel does is the same
// for smcroute-agent.
package symptoms
