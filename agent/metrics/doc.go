// Package metrics tells Prometheus how routers are: what there is to tell, as a
// table of names ([All]), the numbers ([Collector]), their text ([Write]), and who
// serves it ([Serve]).
//
// Numbers are made from a snapshot of each router when somebody asks, and from what
// package meter counted meanwhile. Their number is bounded, whatever there is of
// routes and flows. docs/metrics.md is for those who read them.
//
// The text is written here, and not by Prometheus' client library, since that costs
// smcrouted half of its start and 2.7 MiB whether or not anybody asks for metrics
// (docs/dependencies.md). Tests read it with the library.
package metrics
