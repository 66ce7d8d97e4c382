// Package view is the state of a router as a document: what programs read that
// are not the router, in JSON. The verbs of smcroutectl, its doctor, the web page
// and kubectl multicast are made from it; "smcroutectl show -j" has a form of its
// own, which is SMCRoute's.
//
// Fields are added and never change their meaning. A document of an older or
// newer program can be read.
//
// The package is pure: no system calls, clocks, loggers or goroutines.
package view
