package main

import (
	"context"
	"io"
	"log/slog"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// router is what the daemon runs: an *agent.Agent.
type router interface {
	// Run routes until ctx is done. It closes the kernel.
	Run(ctx context.Context) error
	// Reload reads the configuration again, and returns when that is done.
	Reload(ctx context.Context) error
}

var _ router = (*agent.Agent)(nil)

// parts are what the shell is put around. Tests bring their own.
type parts struct {
	open  func(table uint32, log *slog.Logger) (kernel.Kernel, error)
	links func() ([]mroute.Link, error) // needs no privileges
	new   func(agent.Options) router
	check func(w io.Writer, conf string, o agent.CheckOptions) (ok bool)
}

// linked are the real parts.
func linked() parts {
	return parts{
		open:  openKernel,
		links: func() ([]mroute.Link, error) { return linux.ListLinks("") },
		new:   func(o agent.Options) router { return agent.New(o) },
		check: agent.Check,
	}
}

// openKernel claims a multicast routing table, in each family that has one
// free. It fails if neither has.
func openKernel(table uint32, log *slog.Logger) (kernel.Kernel, error) {
	k, err := linux.Open(linux.Options{Table: table, Log: log})
	if err != nil {
		return nil, err
	}
	return k, nil
}
