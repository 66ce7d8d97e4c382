package core

import "github.com/smcroute/kube-smcroute/agent/mroute"

// most are how many elements the maps of a table held when they were looked at, at
// most since they were made.
type most struct{ groups, refused int }

// shrink gives back the room of maps of which little is in use.
func (t *table) shrink() {
	t.cells.Shrink()
	t.flows.Shrink()
	t.groups = mroute.Shrunk(t.groups, &t.most.groups)
	t.refused = mroute.Shrunk(t.refused, &t.most.refused)
}
