package mroute

// EditKind is the kind of a change that a client asks for.
type EditKind uint8

// The changes of smcroutectl add, remove, join and leave.
const (
	AddRoute EditKind = iota + 1
	RemoveRoute
	AddJoin
	RemoveJoin
)

// Edit is one change that a client asks for on top of the layers: it lives
// until [Layer] "file" is replaced.
//
// AddRoute adds a rule, or outputs to a rule with the same From and Match.
// RemoveRoute takes away a rule, or if To is not empty just those outputs.
type Edit struct {
	Kind  EditKind
	Route Route // AddRoute, RemoveRoute
	Join  Join  // AddJoin, RemoveJoin
}
