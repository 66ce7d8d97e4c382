// Package node keeps one node's routers at what the API server, or a directory
// of manifests, asks for.
//
// [Programmer] takes the whole [World] of a node, has it translated, hands the
// layers to the routers, and reports what became of it. [Reconciler] makes the
// World of what it watches. Everything is level-triggered: each round takes all
// there is, and no round depends on one before it.
package node
