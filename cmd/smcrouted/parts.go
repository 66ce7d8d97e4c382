package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/smcroute/kube-smcroute/agent/kernel"
)

// engine is what the daemon runs: agent.Agent.
type engine interface {
	// Run routes until ctx is done.
	Run(ctx context.Context) error
	// Reload reads the configuration again. It does not block.
	Reload()
}

// options have the fields of agent.Options.
type options struct {
	Kernel         kernel.Kernel
	ConfFile       string
	DefaultDisable bool
	Socket         string
	FlushInterval  time.Duration
	Script         string
	MRDiscInterval time.Duration
	NetNS          string
	Logger         *slog.Logger
	OnReady        func()
	OnReloading    func()
	OnReloaded     func()
	OnKill         func()
}

// parts are what the shell is put around. Tests bring their own.
type parts struct {
	open   func(table uint32) (kernel.Kernel, error)
	engine func(options) engine
	check  func(w io.Writer, conf string, defaultDisable bool) (bad bool)
}

// linked are the real parts.
func linked() parts {
	missing := errors.New("this build has no engine")
	return parts{
		open:   func(uint32) (kernel.Kernel, error) { return nil, missing },
		engine: func(options) engine { return nil },
		check: func(w io.Writer, _ string, _ bool) bool {
			io.WriteString(w, missing.Error()+"\n")
			return true
		},
	}
}
