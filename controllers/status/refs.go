package status

import (
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// refs are the Refs of origins, each once. Many entries of a snapshot share
// their origins, which are looked at once then.
type refs map[span][]string

// span tells a slice from others that live.
type span struct {
	first *mroute.Origin
	n     int
}

func (c refs) of(origins []mroute.Origin) []string {
	if len(origins) == 0 {
		return nil
	}
	at := span{&origins[0], len(origins)}
	names, ok := c[at]
	if !ok {
		names = make([]string, len(origins))
		for i := range origins {
			names[i] = origins[i].Ref
		}
		if len(names) > 1 {
			slices.Sort(names)
			names = slices.Compact(names)
		}
		c[at] = names
	}
	return names
}
