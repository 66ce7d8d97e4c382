package api

import (
	"fmt"
	"testing"

	"github.com/smcroute/kube-smcroute/test/fleet"
)

// TestFleet is a small version of "make fleet": many agents with simulated kernels,
// each over a connection of its own, get what they should, and no more requests are made
// than are needed.
func TestFleet(t *testing.T) {
	lab := start(t)
	shared.startController()
	const agents, routes, rack = 20, 20, 4
	f := fleet.New(t, lab, fleet.Options{Agents: agents, Prefix: "fleet", Rack: rack})
	f.Create(routes)
	statuses := f.Statuses()
	f.Start(0, nil)
	want := map[string]int{}
	for i := range routes {
		want[fmt.Sprintf("fleetroute-%d", i)] = f.Nodes(i)
	}
	statuses.Await(want, 1)
	if got := f.Traffic().Dialled; got != agents {
		t.Errorf("%d agents have made %d connections", agents, got)
	}

	// One that is changed gets to all, and to its status.
	r := f.Route("fleetroute-0", fleet.Group(routes), -1)
	mark := f.Mark(fleet.Group(routes), agents)
	if err := f.Apply(r); err != nil {
		t.Fatal(err)
	}
	mark.Wait()
	if took := mark.Took(); len(took) != agents {
		t.Errorf("on %d nodes", len(took))
	}
	statuses.Await(map[string]int{r.Name: agents}, 2)
}
