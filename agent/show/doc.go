// Package show turns a snapshot of the router into the listings of
// "smcroutectl show": text in tables, and JSON.
//
// Text is made for a client that draws the headings: a line that ends in "_"
// is the title of a table, one that ends in "=" the headings of its columns.
// A row whose last name ends in one of the two gets a blank behind it, so that
// no client takes it for a heading.
//
// The package is pure: no system calls, clocks, loggers or goroutines.
package show
