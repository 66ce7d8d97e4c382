package netlab

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
)

// TB is the part of [testing.TB] that netlab needs.
type TB interface {
	Helper()
	Cleanup(func())
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// Run calls f with a TB of its own, for programs that are no tests, runs the
// clean-ups, and returns what f gave to Fatalf or Skipf as an error. As in a
// test, Fatalf must be called by the goroutine that runs f, and ends it.
func Run(f func(TB)) error {
	p := &program{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer p.cleanUp()
		f(p)
	}()
	<-done
	return p.err
}

type program struct {
	mu       sync.Mutex
	cleanups []func()
	err      error
}

func (p *program) Helper()             {}
func (p *program) Logf(string, ...any) {}

func (p *program) Cleanup(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cleanups = append(p.cleanups, f)
}

func (p *program) Fatalf(format string, args ...any) {
	p.err = errors.Join(p.err, fmt.Errorf(format, args...))
	runtime.Goexit()
}

func (p *program) Skipf(format string, args ...any) { p.Fatalf(format, args...) }

// cleanUp runs the clean-ups, last first; each may add more.
func (p *program) cleanUp() {
	for {
		p.mu.Lock()
		n := len(p.cleanups)
		if n == 0 {
			p.mu.Unlock()
			return
		}
		f := p.cleanups[n-1]
		p.cleanups = p.cleanups[:n-1]
		p.mu.Unlock()
		f()
	}
}
