package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// target is a daemon that gets routes added.
type target struct {
	p       program.Programs
	dir     string
	process side // the whole client
	call    side // connecting, asking, hearing the answer
}

// change measures one change in tables of different sizes.
func (b *bench) change(tb netlab.TB) []row {
	start := func(n int) *target {
		r := b.router(tb, conf(mroute.IPv4, n, ""))
		r.daemon(tb, b.ours)
		s := side{name: count(float64(n)) + " routes"}
		return &target{p: b.ours, dir: r.dir, process: s, call: s}
	}
	few, many, most := start(b.hundred), start(b.small), start(b.large)
	targets := []*target{few, many, most}
	r := b.router(tb, conf(mroute.IPv4, b.small, ""))
	debian := &target{p: b.debian, dir: r.dir}
	if d := r.original(tb, b, &debian.process); d != nil {
		debian.process.name += ", " + count(float64(b.small)) + " routes"
		targets = append(targets, debian)
	}
	debian.call = debian.process
	for i := range b.addRounds {
		for _, t := range targets {
			t.add(tb, i)
		}
	}
	same := atMost(1.2).as("the same")
	rows := []row{
		compare("one route added by the client", seconds, &most.process, &few.process, same),
		compare("the daemon's answer to it", seconds, &most.call, &few.call, same),
		compare("one route added by the client", seconds, &many.process, &debian.process, goal{}),
		compare("the daemon's answer to it", seconds, &many.call, &debian.call, goal{}),
	}
	return append(append(rows, b.whileListing(tb)...), b.layerChange(tb)...)
}

func (t *target) add(tb netlab.TB, i int) {
	tb.Helper()
	start := time.Now()
	r, err := t.p.Control(t.dir, "", "add", "in", "10.9.9.9", fmt.Sprintf("239.1.1.%d", i), "out")
	t.process.add(since(start))
	if err != nil || r.Code != 0 {
		tb.Fatalf("%s smcroutectl: %v %+v", t.p.Name, err, r)
	}
	t.ask(tb, i)
}

// ask adds a route by the daemon's socket.
func (t *target) ask(tb netlab.TB, i int) {
	tb.Helper()
	start := time.Now()
	c, err := ipc.Dial(context.Background(), filepath.Join(t.dir, program.Socket))
	if err != nil {
		tb.Fatalf("%s smcrouted: %v", t.p.Name, err)
	}
	err = c.Do(context.Background(), ipc.Request{Command: ipc.Add, Args: []string{"in", "10.9.9.9", fmt.Sprintf("239.2.%d.%d", byte(i>>8), byte(i)), "out"}}, io.Discard)
	t.call.add(since(start))
	_ = c.Close()
	if err != nil {
		tb.Fatalf("%s smcrouted: %v", t.p.Name, err)
	}
}
