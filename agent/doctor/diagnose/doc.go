// Package diagnose says from facts about a node why a stream does not arrive:
// what is wrong, where, how one sees it, and the command that mends it. It walks
// the way that a packet takes, from the daemon that has the rule to the program
// that hears.
//
// Package doctor gathers the facts. docs/doctor.md has a table of all findings.
//
// The package is pure: no system calls, clocks, loggers or goroutines.
package diagnose
