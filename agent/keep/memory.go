package keep

import (
	"sync/atomic"

	"github.com/smcroute/kube-smcroute/agent/keep/shelf"
)

// Memory is a store inside this process, for tests: routers that come one after
// the other find in it what those before left. The zero value is an empty one.
type Memory struct {
	shelf.Shelf
	fleeting atomic.Bool
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty one.
func NewMemory() *Memory { return &Memory{} }

// Lasts implements [Store].
func (m *Memory) Lasts() bool { return !m.fleeting.Load() }

// SetLasts has Lasts say so. At first it says true.
func (m *Memory) SetLasts(lasts bool) { m.fleeting.Store(!lasts) }
