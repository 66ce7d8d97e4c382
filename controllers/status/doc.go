// Package status turns what routers do into reports of nodes, and reports of
// nodes into the status of routes and groups. It is pure: it is told the time.
//
// On a node, [Report] makes a MulticastNodeState of what translate came to and
// what the routers hold; a [Ledger] keeps the counters going up. In the
// controller, an [Index] has the reports by object, and [SummariseRoute] and
// [SummariseGroup] sum up what it has of one.
package status
