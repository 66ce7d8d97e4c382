// Package podlink finds a node's own links towards addresses of pods.
package podlink

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
)

// Options configure a Lookup.
type Options struct {
	NetNS  string // path of the node's network namespace; "": that of the process
	Logger *slog.Logger
}

// Lookup asks the kernel's routes.
type Lookup struct {
	changes chan struct{}
}

// New opens a Lookup.
func New(o Options) (*Lookup, error) { return &Lookup{changes: make(chan struct{}, 1)}, nil }

// Close ends its use.
func (l *Lookup) Close() {}

// Run listens for changes until ctx is done.
func (l *Lookup) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Link returns the link through which packets leave to addr.
func (l *Lookup) Link(addr netip.Addr) (name string, index int, err error) {
	return "", 0, errors.New("not written yet")
}

// Changes has a value when Link may answer differently.
func (l *Lookup) Changes() <-chan struct{} { return l.changes }
