// Package linux is the real kernel behind package kernel's port: one multicast
// routing table of a network namespace, group memberships, and what rtnetlink
// tells of links.
//
// All sockets are opened inside the namespace and used from anywhere after
// that. docs/kernel-notes.md holds the facts which this code rests on, each with
// the test that shows it.
package linux
