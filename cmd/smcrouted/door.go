package main

import (
	"context"
	"fmt"
	"net"

	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
)

// door is an address that an option names, at which something of the router is served.
type door struct {
	l     net.Listener
	serve func(context.Context, net.Listener, router)
}

// openDoors takes the addresses of --ui and --metrics, while there are all privileges.
// One that cannot be had shows before anything is touched.
func (s *service) openDoors(ctx context.Context) ([]door, error) {
	var doors []door
	for _, o := range []struct {
		name, addr string
		listen     func(ctx context.Context, addr string) (net.Listener, error)
		serve      func(context.Context, net.Listener, router)
	}{
		{"--ui", s.flags.ui, listenUI, s.serveUI},
		{"--metrics", s.flags.metrics, listenMetrics, s.serveMetrics},
	} {
		if o.addr == "" {
			continue
		}
		l, err := o.listen(ctx, o.addr)
		if err != nil {
			closeDoors(doors)
			return nil, &exitError{exitcode.Unavailable, fmt.Errorf("%s: %w", o.name, err)}
		}
		doors = append(doors, door{l, o.serve})
	}
	return doors, nil
}

// closeDoors closes all, whether they are served or not.
func closeDoors(doors []door) {
	for _, d := range doors {
		_ = d.l.Close()
	}
}
