package clusterlab

import (
	"sync"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// life is the TB of a machine's network, which may be there for longer than one
// test. What is to be cleaned up of the machine itself, while it is made, is so
// when it ends. What tests do with it then, such as captures, ends with the test.
type life struct {
	netlab.TB

	mu       sync.Mutex
	made     bool
	cleanups []func()
}

// Cleanup implements [netlab.TB].
func (l *life) Cleanup(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made {
		l.TB.Cleanup(f)
		return
	}
	l.cleanups = append(l.cleanups, f)
}

// begin says that the machine is made.
func (l *life) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made = true
}

// end cleans up.
func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.cleanups) - 1; i >= 0; i-- {
		l.cleanups[i]()
	}
	l.cleanups = nil
}
