// Package page serves a web page about the routers of a node: each stream with
// its sender, the interface that it comes in by and those that it leaves by, how
// much it carries, and why it does not flow, if it doesn't.
//
// It is for people on this machine, or who are forwarded to it: [Listen] takes
// loopback addresses only, and [New] answers to no other name, so that a page
// from elsewhere cannot read it through a browser (DNS rebinding). It changes
// nothing: there is GET, and no more.
//
// The browser has all from here, and names that others chose, such as those of
// interfaces, are never markup. Routers are read only while somebody looks, and
// once a second however many they are.
package page
