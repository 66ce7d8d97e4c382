package kerneltest

import (
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// fact is one claim, shown in each family.
type fact struct {
	name string
	show func(*lab)
}

// Run shows every fact in a world of its own, once for IPv4 and once for IPv6.
func Run(t *testing.T, newWorld func(t testing.TB) World) {
	var facts []fact
	for _, of := range [][]fact{tableFacts, vifFacts, entryFacts, anySourceFacts, staleFacts, counterFacts, upcallFacts, membershipFacts, linkFacts, keptFacts, foreignFacts} {
		facts = append(facts, of...)
	}
	for _, fact := range facts {
		t.Run(fact.name, func(t *testing.T) {
			for _, f := range mroute.Families {
				t.Run(f.String(), func(t *testing.T) { fact.show(newLab(t, newWorld(t), f)) })
			}
		})
	}
}
