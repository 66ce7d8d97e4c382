// Package core decides what a router does: State.Step takes an event and
// returns the effects that should follow. Nothing in it touches the kernel, the
// clock or a log, so that any history can be played to it.
//
// The state is what is wanted (package plan), which links there are, what the
// kernel is believed to hold, and which flows were seen to arrive where.
// Whatever happens, a step compares the first with the second and asks for the
// difference, in an order in which no packet ever leaves through an interface
// that neither the old nor the new state names:
//
//	DelMFC of (*,G) that come in by a going VIF | scrub other entries that name one, DelVIF | AddVIF |
//	SetMFC of (S,G) | SetMFC of (*,G) | JoinGroup, LeaveGroup, DelMFC of (*,G) | DelMFC of (S,G)
//
// At each bar the results are awaited, so that a change which failed blocks
// only what depends on it.
//
// A router that starts on a table with something in it holds that until it is
// told that it knows all that is wanted: see found.
package core
