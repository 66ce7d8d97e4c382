// Package plan works out what a kernel table should hold: it merges the layers
// of intent, matches them against the links there are, and answers for any
// (S,G) which entry it wants.
//
// The answer is a function of the intent, the links and the interface on which
// the flow arrives, never of how they came about. The same code therefore
// serves a start, a reload, a link that comes or goes, and one new route among
// 100,000: only the number of questions differs.
//
// It is pure: no system calls, clocks, loggers or goroutines.
package plan
