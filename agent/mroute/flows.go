package mroute

// FlowCounts tell how many flows packets have made entries for, and what a limit
// on their number did.
type FlowCounts struct {
	Learned int // entries of kind [Learned]
	Stopped int // entries of kind [StopFilter]; only of the router as a whole
	Limit   int // on Learned of a rule, on both together of the router; 0: none

	// Since the router, or the rule, is there:

	Evicted uint64 // entries that had to make room before their time
	Refused uint64 // flows that would have been learned, and got a stop filter for lack of room

	// Full is set while the limit is at work, and for up to a minute after: idle
	// flows make room, or flows are refused.
	Full bool
}

// LimitView is a rule with a limit of its own on the flows that it learns.
type LimitView struct {
	From   IfPattern
	Match  Match
	Origin Origin
	FlowCounts
}
