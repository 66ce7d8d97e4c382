package main

import (
	"context"
	"errors"
	"sync"

	"github.com/smcroute/kube-smcroute/agent/keep/wire"
)

// mirror is a keeper while another one is active.
type mirror struct {
	*keeper
	mu       sync.Mutex
	complete bool // it has held all that an active one held, and was not told otherwise
	obliged  bool // it has promised to succeed the active one
	ending   bool // it was asked to end
	stopped  bool // all was emptied
}

// promote makes this keeper the active one if there is none and no other knows
// better what is to be held.
func (m *mirror) promote() (bool, error) {
	if !m.promotable() {
		better, err := m.lock.mirrored()
		if better || err != nil {
			return false, err
		}
	}
	active, err := m.lock.take()
	if active && err == nil {
		err = m.lock.unmirror()
	}
	return active, err
}

// promotable reports whether this keeper holds what the active one does, or did.
func (m *mirror) promotable() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.complete
}

// over reports whether this keeper is to end without ever becoming the active one.
func (m *mirror) over(ctx context.Context) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stopped || m.ending || ctx.Err() != nil && !m.complete
}

// follow holds what the active keeper does, as long as that one answers, or until
// this one is asked to end.
func (m *mirror) follow(ctx context.Context) error {
	// Not even one that was asked to end may end before it knows that another one is
	// active, if it holds what nobody else may hold.
	dialing := ctx
	if m.promotable() {
		dialing = context.WithoutCancel(ctx)
	}
	dialing, stop := context.WithTimeout(dialing, dialTime)
	conn, err := wire.Dial(dialing, m.socket, wire.Mirror)
	stop()
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.obliged = false // another one was quicker
	m.mu.Unlock()
	link := m.shelf.Follow(conn, m.asked)
	ended := make(chan error, 1)
	go func() { ended <- link.Run() }()
	ready := link.Ready()
	for {
		select {
		case <-ready:
			ready = nil
			if err := m.completed(); err != nil {
				link.Close()
				return errors.Join(err, <-ended)
			}
		case <-ctx.Done():
			if m.end() {
				link.Close()
				return <-ended
			}
			return <-ended // and succeed
		case err := <-ended:
			return err
		}
	}
}

// completed notes that this keeper holds all that the active one does.
func (m *mirror) completed() error {
	if err := m.lock.mirror(); err != nil {
		return err
	}
	m.mu.Lock()
	m.complete = true
	m.mu.Unlock()
	m.report(true, "mirrors the active keeper")
	m.log.Info("mirroring the active keeper", "held", m.shelf.Len())
	m.ready()
	return nil
}

// end is for when this keeper was asked to end. It reports whether it may.
func (m *mirror) end() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ending = !m.obliged
	return m.ending
}

// asked answers the active keeper.
func (m *mirror) asked(op wire.Op) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch op {
	case wire.Succeed:
		if m.ending {
			return errors.New("this keeper is ending, too")
		}
		m.obliged = true
		return nil
	case wire.Stop:
		m.stopped = true
		return nil
	}
	return errors.New("a mirror does not do this")
}
