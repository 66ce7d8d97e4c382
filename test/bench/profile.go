package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// envProfile is where a daemon built with the tag "profile" writes.
const envProfile = "PROFILE_DIR"

// profiler has a daemon with the large table that writes profiles.
type profiler struct {
	*router
	*program.Daemon
	b *bench
}

// works are what is profiled, in this order, of one daemon.
var works = []struct {
	name string
	do   func(*profiler, netlab.TB)
}{
	{"start", func(*profiler, netlab.TB) {}},
	{"reload", (*profiler).reload},
	{"learn", (*profiler).learn},
	{"counters", (*profiler).counters},
}

// profiles writes profiles of the daemon's CPU time and memory into dir, one of each for
// each work with a word in its name.
func (b *bench) profiles(dir, only string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	return netlab.Run(func(tb netlab.TB) {
		written, err := os.MkdirTemp(b.dir, "profile")
		if err == nil {
			err = os.Setenv(envProfile, written)
		}
		if err != nil {
			tb.Fatalf("%v", err)
		}
		p := &profiler{router: b.router(tb, conf(mroute.IPv4, b.large, template)), b: b}
		p.Daemon = p.router.daemon(tb, b.ours)
		for _, w := range works {
			w.do(p, tb)
			p.write(tb, written)
			if !strings.Contains(w.name, only) {
				continue
			}
			for _, kind := range []string{"cpu", "heap"} {
				to := filepath.Join(dir, w.name+"-"+kind+".pprof")
				text, err := os.ReadFile(filepath.Join(written, kind+".pprof"))
				if err == nil {
					err = os.WriteFile(to, text, 0o666)
				}
				if err != nil {
					tb.Fatalf("%v", err)
				}
				fmt.Println(to)
			}
		}
	})
}

// write has the daemon write its profiles.
func (p *profiler) write(tb netlab.TB, dir string) {
	tb.Helper()
	last := filepath.Join(dir, "heap.pprof")
	if err := os.Remove(last); err != nil && !errors.Is(err, os.ErrNotExist) {
		tb.Fatalf("%v", err)
	}
	if err := p.Signal(unix.SIGUSR2); err != nil {
		tb.Fatalf("%v", err)
	}
	netlab.Await(tb, patience, func() bool {
		_, err := os.Stat(last)
		return err == nil
	}, "the profile "+last)
}

// reload reads the file again, unchanged.
func (p *profiler) reload(tb netlab.TB) {
	for range p.b.reloadRounds {
		if _, err := p.Reload(patience); err != nil {
			tb.Fatalf("%v", err)
		}
	}
}

// learn has new flows come.
func (p *profiler) learn(tb netlab.TB) { p.offer(tb, p.b.fast, p.b.learnTime) }

// counters reads the counters of all entries, and prints them.
func (p *profiler) counters(tb netlab.TB) {
	for start := time.Now(); time.Since(start) < p.b.learnTime; {
		r, err := p.b.ours.Control(p.router.dir, "", "-d", "show", "routes")
		if err != nil || r.Code != 0 {
			tb.Fatalf("smcroutectl: %v %+v", err, r)
		}
	}
}
