package status

import (
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// refs are the Refs of origins, each once. Many entries of a snapshot share
// their origins, which are looked at once then.
type refs struct {
	known map[span][]string
	one   [1]string
}

// span tells a slice from others that live.
type span struct {
	first *mroute.Origin
	n     int
}

// of returns the Refs, which are good until the next call.
func (c *refs) of(origins []mroute.Origin) []string {
	switch len(origins) {
	case 0:
		return nil
	case 1: // as of each line of a large file: nothing worth to be known
		c.one[0] = origins[0].Ref
		return c.one[:]
	}
	at := span{&origins[0], len(origins)}
	names, ok := c.known[at]
	if !ok {
		names = make([]string, len(origins))
		for i := range origins {
			names[i] = origins[i].Ref
		}
		slices.Sort(names)
		names = slices.Compact(names)
		if c.known == nil {
			c.known = map[span][]string{}
		}
		c.known[at] = names
	}
	return names
}
