package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
)

// every is how often there is a line of what has changed.
const every = time.Second

// receive joins the groups and counts until it is done. It is an error if less
// has come than was asked for within the time: the count, or else any packet.
func receive(ctx context.Context, o *options, out *printer) error {
	var sockets []*socket
	defer func() {
		for _, s := range sockets {
			_ = s.conn.Close()
		}
	}()
	for _, group := range o.groups {
		s, err := join(group, o.sourcesOf(group), o.link, o.port)
		if err != nil {
			return err
		}
		sockets = append(sockets, s)
		out.note("joined %v%s, port %d", group, o.where(), o.port)
	}
	t := &tally{}
	if o.json { // says the same: from now on nothing is missed
		out.line(t.report())
	}

	limited := ctx
	if o.duration > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	work, workCtx := errgroup.WithContext(limited)
	for _, s := range sockets {
		work.Go(func() error { return s.run(t, o.count) })
	}
	work.Go(func() error {
		defer func() {
			for _, s := range sockets {
				_ = s.conn.Close() // ends its run
			}
		}()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-workCtx.Done():
				return nil
			case <-tick.C:
				out.received(t.report())
			}
		}
	})
	err := work.Wait()
	r := t.report()
	r.Final = true
	out.received(r)
	switch {
	case err != nil && !errors.Is(err, errEnough):
		return err
	case ctx.Err() != nil || o.duration == 0:
		return nil
	case r.Packets < max(1, o.count):
		return fmt.Errorf("%d packets arrived in %v, expected at least %d", r.Packets, o.duration, max(1, o.count))
	}
	return nil
}

// errEnough is that as many packets have come as were asked for.
var errEnough = errors.New("enough packets")

// run counts packets until the socket is closed, or all sockets have had count
// of them, if it is not 0.
func (s *socket) run(t *tally, count uint64) error {
	buf := make([]byte, 1<<16)
	for {
		p, err := s.read(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("receiving from %v: %w", s.group, cause(err))
		case p.group != s.group:
			continue // sent to the port, but to an address of this machine
		}
		n := t.add(arrived{
			key: flowKey{p.source, p.group},
			ttl: p.ttl, payload: buf[:p.n], at: time.Now(),
		})
		if count > 0 && n >= count {
			return errEnough
		}
	}
}
