package plan

import "github.com/smcroute/kube-smcroute/agent/mroute"

// outputsCache remembers what lists of outputs come to.
type outputsCache map[outputsKey]mroute.OIFs

// outputsKey is a list of outputs, of routes that come in by one link. The list
// is known by where it is: routes that a parser or a translator made share it.
type outputsKey struct {
	to      *mroute.Output
	n       int
	in      int // position of the link
	family  mroute.Family
	vifs    *VIFs
	changes int // of vifs
}

// maxKnown bounds the memory of layers whose routes share nothing.
const maxKnown = 256

func (c *outputsCache) put(k outputsKey, o mroute.OIFs) {
	if *c == nil {
		*c = make(outputsCache)
	}
	if len(*c) >= maxKnown {
		clear(*c)
	}
	(*c)[k] = o
}
