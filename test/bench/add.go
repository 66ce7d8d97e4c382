package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

const addRounds = 151

// target is a daemon that gets routes added.
type target struct {
	p       program.Programs
	dir     string
	process series // the whole client
	call    series // connecting, asking, hearing the answer
}

// add measures adding a route to an empty table and to the small one.
func (b *bench) add(tb netlab.TB) []row {
	start := func(p program.Programs, n int) *target {
		r := b.router(tb, conf(n, ""))
		r.daemon(tb, p)
		return &target{p: p, dir: r.dir}
	}
	oursEmpty, ours := start(b.ours, 0), start(b.ours, small)
	targets := []*target{oursEmpty, ours}
	debianEmpty, debian := &target{}, &target{}
	if b.hasDebian {
		debianEmpty, debian = start(b.debian, 0), start(b.debian, small)
		targets = append(targets, debianEmpty, debian)
	}
	for i := range addRounds {
		for _, t := range targets {
			t.add(tb, i)
		}
	}
	return []row{
		addRow("one add with 10,000 routes, whole client", debianEmpty.process, debian.process, oursEmpty.process, ours.process),
		addRow("the same, only the daemon's answer", debianEmpty.call, debian.call, oursEmpty.call, ours.call),
	}
}

func addRow(what string, debianEmpty, debian, oursEmpty, ours series) row {
	const noise = 1.2
	ratio := float64(ours.median()) / float64(oursEmpty.median())
	cell := func(full, empty series) string {
		if len(full) == 0 {
			return none
		}
		return fmt.Sprintf("%s (empty %s)", short(full.median()), short(empty.median()))
	}
	return row{
		what: what, debian: cell(debian, debianEmpty), bare: none, ours: cell(ours, oursEmpty),
		ratio: fmt.Sprintf("%.2f of empty", ratio), goal: "as with an empty table (1.2)", met: ratio <= noise,
	}
}

func (t *target) add(tb netlab.TB, i int) {
	tb.Helper()
	start := time.Now()
	r, err := t.p.Control(t.dir, "", "add", "in", "10.9.9.9", fmt.Sprintf("239.1.1.%d", i), "out")
	t.process = append(t.process, time.Since(start))
	if err != nil || r.Code != 0 {
		tb.Fatalf("%s smcroutectl: %v %+v", t.p.Name, err, r)
	}

	start = time.Now()
	c, err := ipc.Dial(context.Background(), filepath.Join(t.dir, program.Socket))
	if err != nil {
		tb.Fatalf("%s smcrouted: %v", t.p.Name, err)
	}
	err = c.Do(context.Background(), ipc.Request{Command: ipc.Add, Args: []string{"in", "10.9.9.9", fmt.Sprintf("239.1.2.%d", i), "out"}}, io.Discard)
	t.call = append(t.call, time.Since(start))
	_ = c.Close()
	if err != nil {
		tb.Fatalf("%s smcrouted: %v", t.p.Name, err)
	}
}
