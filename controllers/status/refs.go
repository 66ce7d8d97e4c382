package status

import (
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// refs are the Refs of origins, each once. Entries of a snapshot that stand one behind
// the other often share their origins, which are looked at once then.
type refs struct {
	first *mroute.Origin // of the origins whose Refs are known, and how many they are
	n     int
	known []string
}

// of returns the Refs, which are good until the next call.
func (c *refs) of(origins []mroute.Origin) []string {
	if len(origins) == 0 {
		return nil
	}
	if c.first == &origins[0] && c.n == len(origins) {
		return c.known
	}
	c.first, c.n, c.known = &origins[0], len(origins), c.known[:0]
	for i := range origins {
		c.known = append(c.known, origins[i].Ref)
	}
	slices.Sort(c.known)
	c.known = slices.Compact(c.known)
	return c.known
}
