// Package report writes a node's MulticastNodeState.
//
// What goes through the API server, for N nodes that report every T (300 s
// unless said otherwise):
//
//   - A change of a route's or group's state is written about 0.5 s after it
//     happened, but never more than one report in 10 s.
//   - Counters that changed are written once in T, give or take a tenth, so
//     that nodes which started together do not stay together. The steady rate
//     is N/T at most: 3.3 writes a second for 1,000 nodes.
//   - A report that would say the same is written every second T all the same,
//     so that the node is known to be alive.
//
// A write is one request: the object as it was seen last, replaced. Only if
// somebody else has changed or removed it meanwhile are there two more. Nobody
// watches for that: an object that was removed by hand comes again with the next
// report, in two intervals at the latest, and at once if its Node was made anew.
// The status is one atomic struct (+structType) for the API server, which would
// otherwise keep track of the owner of each field in managedFields, and double
// the object. Objects that are programmed are one string each, for its sake. While the API server cannot be reached there is a request every few
// seconds to every minute and a half, and when it is back one report.
package report
