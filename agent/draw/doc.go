// Package draw makes what people look at from the states of routers: rows of
// routes and flows, a tree of where packets go, and the changes between two looks.
// A listing is text for a terminal, in columns, or the same rows as JSON or YAML.
//
// There may be many routers, each on a node of its own; what one of them lacks is a
// problem in the listing and no failure. Rates need two looks at the same routers.
//
// Names come from kernels, files and other machines: no control character of
// theirs gets into a text.
//
// The package is pure: no system calls, clocks, loggers or goroutines.
package draw
