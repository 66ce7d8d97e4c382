// Package summary keeps the status of routes and groups at the sum of what the
// nodes report.
//
// It is one controller-runtime controller, to be run by one leader. Its request
// is an object, a route or a group. Reports of nodes are kept by object in
// memory ([status.Index]), and a report wakes those objects alone about which it
// says something new. So a round for one object takes time for the nodes that it
// selects, and none for what the other objects are.
//
// Each write of a route's status wakes every agent that watches routes, and
// costs the API server as many watch events. Hence a status is written at most
// once in StatusInterval if there is more to it than counters, and at most once
// in CountersInterval if there is not. All writes together keep to a pace of so many
// watch events a second, which is the less writes the more agents there are: those of
// objects that somebody has just changed have half of it for themselves.
package summary
