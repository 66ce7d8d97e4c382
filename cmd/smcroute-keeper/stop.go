package main

import (
	"context"
	"fmt"

	"github.com/smcroute/kube-smcroute/agent/keep/wire"
)

// stop has the active keeper empty all that is held, and end. It returns when that
// is done. As long as programs are connected that takes force.
func stop(ctx context.Context, socket string, force bool) error {
	c, err := wire.Dial(ctx, socket, wire.Operator)
	if err != nil {
		return fmt.Errorf("no keeper answers at %s: %w", socket, err)
	}
	defer c.Close()
	end := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer end()
	if err := c.Send(wire.Message{Op: wire.Stop, Force: force}, nil); err != nil {
		return err
	}
	m, fds, err := c.Receive()
	wire.CloseAll(fds)
	if err != nil {
		return fmt.Errorf("the keeper at %s did not say that it has emptied all: %w", socket, err)
	}
	return m.Err()
}
