package node

import (
	"context"
	"net/netip"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Routers are the routers of the node. The agent's are meant.
type Routers interface {
	// SetLayers says what is wanted in the places, the whole of it.
	SetLayers(ctx context.Context, want map[mroute.Place]mroute.Layer)
	// Digests tells how the routers are. If visit is not nil it is given their entries,
	// which takes more time, some at a time and from several goroutines. It must keep
	// neither the slice nor the entries' Origins.
	Digests(ctx context.Context, visit func(mroute.Place, time.Time, []mroute.EntryView)) map[mroute.Place]mroute.RouterState
}

// Links finds the node's own links towards addresses of pods.
type Links interface {
	// Round returns a function for the look-ups of a round. It returns the link
	// through which packets leave to addr. The error says why it has none of its
	// own, as a sentence.
	Round() func(addr netip.Addr) (name string, index int, err error)
	// Changes has a value when a round may answer differently.
	Changes() <-chan struct{}
}

// Finder finds the network namespaces of pods.
type Finder interface {
	// Find returns the namespace, whose table is left at 0. The error says why
	// there is none, as a sentence.
	Find(ctx context.Context, podUID string, ips []netip.Addr) (mroute.Place, error)
}
