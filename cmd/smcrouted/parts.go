package main

import (
	"context"
	"io"
	"time"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/netns"
	"github.com/smcroute/kube-smcroute/agent/spread"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// router is what the daemon runs: an *agent.Agent.
type router interface {
	// Run routes until ctx is done. It closes the kernel.
	Run(ctx context.Context) error
	// Reload reads the configuration again, and returns when that is done.
	Reload(ctx context.Context) error
	// Visit goes over what the router does, and returns the rest of it.
	Visit(ctx context.Context, v view.Visit) (*view.State, error)
	// WriteState writes all of it, as far as it is about some flows.
	WriteState(ctx context.Context, to io.Writer, about view.About) error
	// Observe says how to ask for all there is to count, and LastRead how the
	// configuration was read.
	Observe() agent.Observation
	LastRead() (success bool, at time.Time, ok bool)
}

var _ router = (*agent.Agent)(nil)

// parts are what the shell is put around. Tests bring their own.
type parts struct {
	manager *keep.Systemd // nil: there is no service manager
	open    func(linux.Options) (kernel.Kernel, error)
	discard func(k keep.Keeping, table uint32) error
	links   func() ([]mroute.Link, error) // needs no privileges
	new     func(agent.Options) router
	check   func(w io.Writer, conf string, o agent.CheckOptions) (ok bool)
}

// linked are the real parts.
func linked() parts {
	return parts{
		manager: keep.Inherit(), // before anything else opens a file
		open:    openKernel,
		discard: discardOthers,
		links:   func() ([]mroute.Link, error) { return linux.ListLinks("") },
		new:     func(o agent.Options) router { return agent.New(o) },
		check:   agent.Check,
	}
}

// openKernel claims a multicast routing table, in each family that has one
// free. It fails if neither has.
func openKernel(o linux.Options) (kernel.Kernel, error) {
	k, err := linux.Open(o)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// discardOthers empties what the daemon before this one left elsewhere than in
// the table of this one: it had another -t, or was in another namespace.
func discardOthers(k keep.Keeping, table uint32) error {
	ns, err := netns.Open("")
	if err != nil {
		return err
	}
	defer ns.Close()
	own, err := ns.ID()
	if err != nil {
		return err
	}
	return linux.Discard(k, func(netns string, t uint32) bool {
		return netns == own && (t == table || spread.Beside(table, t))
	})
}
