package main

import (
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var seed = flag.Uint64("seed", 0, "of what TestChaos does; 0: another each time")

func dice(t *testing.T) *rand.Rand {
	n := *seed
	if n == 0 {
		n = uint64(time.Now().UnixNano())
	}
	t.Logf("the same again: -seed=%d", n)
	return rand.New(rand.NewPCG(n, 0))
}

// Whatever happens to keepers, nothing is emptied as long as the program lives,
// and all when the last one has gone after it.
func TestChaosWithProgram(t *testing.T) {
	random := dice(t)
	x := newTables(t)
	path := socketPath(t)
	keepers := []*process{keeperAt(t, path, "--patience=50ms")}
	k := open(t, path)
	before := x.lines(t)
	x.hold(t, k, path)
	for step := range 60 {
		n := random.IntN(max(len(keepers), 1))
		what := "start"
		switch dice := random.IntN(4); {
		case len(keepers) == 0 || dice < 2 && len(keepers) < 4:
			keepers = append(keepers, play(t, "keeper", "--socket", path, "--patience=50ms"))
		case dice == 2:
			what = "kill"
			keepers[n].kill()
			keepers = slices.Delete(keepers, n, n+1)
		default:
			what = "end"
			keepers[n].signal(syscall.SIGTERM)
			keepers = slices.Delete(keepers, n, n+1)
		}
		time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond) // so that they meet in all states
		if got := x.lines(t); got != before {
			t.Fatalf("step %d, %s: %d VIFs and entries, %d before", step, what, got, before)
		}
	}
	last := keeperAt(t, path)
	lasts(t, k)
	_ = k.Close()
	for _, p := range append(keepers, last) {
		p.signal(syscall.SIGTERM)
	}
	for _, p := range append(keepers, last) {
		<-p.ended
	}
	if got := x.lines(t); got != 0 {
		t.Errorf("%d VIFs and entries are left", got)
	}
}

// As long as one lives that mirrored all, nothing is lost even without a program.
func TestChaosWithoutProgram(t *testing.T) {
	random := dice(t)
	x := newTables(t)
	path := socketPath(t)
	keepers := []*process{keeperAt(t, path)}
	k := open(t, path)
	before := x.lines(t)
	x.hold(t, k, path)
	_ = k.Close()
	for step := range 40 {
		if len(keepers) < 2 || random.IntN(2) == 0 && len(keepers) < 4 {
			keepers = append(keepers, keeperAt(t, path))
			continue
		}
		n := random.IntN(len(keepers))
		if random.IntN(2) == 0 {
			keepers[n].kill()
		} else {
			keepers[n].signal(syscall.SIGTERM)
			keepers[n].end()
		}
		keepers = slices.Delete(keepers, n, n+1)
		if got := x.lines(t); got != before {
			t.Fatalf("step %d: %d VIFs and entries, %d before", step, got, before)
		}
	}
	k = open(t, path)
	if got := strings.Join(k.Names(), " "); len(k.Names()) != len(x.names) {
		t.Errorf("held: %s", got)
	}
	for _, p := range keepers {
		p.signal(syscall.SIGTERM)
	}
	_ = k.Close()
	for _, p := range keepers {
		p.end()
	}
	if got := x.lines(t); got != 0 {
		t.Errorf("%d VIFs and entries are left", got)
	}
}
