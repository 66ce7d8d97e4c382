package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/procfs"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// patience is how long anything may take. It bounds the C daemon, which is
// never given the large table: 400 s are not enough for it to start with that.
const patience = 2 * time.Minute

// cDaemon is the original's name in the table, bareLoop that of the bare loop.
const (
	cDaemon  = "C daemon"
	bareLoop = "bare loop"
)

// bench is one run.
type bench struct {
	sizes
	dir       string // of the programs, and of what is written
	ours      program.Programs
	debian    program.Programs
	hasDebian bool
	rivals    string // directory of other routers

	rows   []row
	notes  []string
	failed []string // measurements
}

// build builds what is measured, and what it is measured with. The daemon can be
// made to write profiles.
func build(root, dir string, profiles bool) error {
	what := []string{"./cmd/smcrouted", "./cmd/smcroutectl", "./test/bench/bareloop"}
	if profiles {
		return program.Build(root, dir, append([]string{"-tags=profile", "-ldflags="}, what...)...)
	}
	if err := program.Build(root, dir, what...); err != nil {
		return err
	}
	return buildBenchmarks(root, dir)
}

// router is a namespace with two links, and the namespace at the other ends.
//
//	hosts:a ---- router:in   router:out ---- hosts:b
type router struct {
	*netlab.NS
	hosts *netlab.NS
	dir   string // of one daemon's files
}

// router makes one, for a daemon with a configuration.
func (b *bench) router(tb netlab.TB, conf string) *router {
	r := &router{NS: netlab.New(tb), hosts: netlab.New(tb)}
	r.hosts.Veth("a", r.NS, "in")
	r.hosts.Veth("b", r.NS, "out")
	var err error
	if r.dir, err = os.MkdirTemp(b.dir, "r"); err == nil {
		err = os.WriteFile(filepath.Join(r.dir, program.ConfFile), []byte(conf), 0o666)
	}
	if err != nil {
		tb.Fatalf("%v", err)
	}
	return r
}

// conf is a configuration with n exact routes of a family, those of bareloop, and
// more.
func conf(f mroute.Family, n int, more string) string {
	var b bytes.Buffer
	b.WriteString("phyint in enable\nphyint out enable\n")
	for i := range n {
		if x, y, z := byte(i>>16), byte(i>>8), byte(i); f == mroute.IPv4 {
			fmt.Fprintf(&b, "mroute from in source 10.%d.%d.%d group 232.%d.%d.%d to out\n", x, y, z, x, y, z)
		} else {
			fmt.Fprintf(&b, "mroute from in source 2001:db8::%x:%x group ff3e::%x:%x to out\n", x, i&0xffff, x, i&0xffff)
		}
	}
	b.WriteString(more)
	return b.String()
}

// daemon starts a smcrouted, which is killed at the end of the measurement.
func (r *router) daemon(tb netlab.TB, p program.Programs, args ...string) *program.Daemon {
	tb.Helper()
	d, err := p.Start(r.NS, r.dir, patience, args...)
	if err != nil {
		tb.Fatalf("%s smcrouted: %v", p.Name, err)
	}
	tb.Cleanup(d.Kill)
	return d
}

// original starts the C daemon, whose figures go to s. It is nil, and s says why, if it is
// not there, or if it was not ready in time, as it may be on a busy machine: then it is
// not tried again.
func (r *router) original(tb netlab.TB, b *bench, s *side) *program.Daemon {
	tb.Helper()
	s.name = cDaemon
	if !b.hasDebian {
		s.note = "not installed"
		return nil
	}
	d, err := b.debian.Start(r.NS, r.dir, patience)
	switch {
	case errors.Is(err, program.ErrLate):
		b.hasDebian = false
		b.notes = append(b.notes, fmt.Sprintf("The C daemon was given up: %v.", err))
		s.note = "not ready within " + patience.String()
		return nil
	case err != nil:
		tb.Fatalf("Debian's smcrouted: %v", err)
	}
	tb.Cleanup(d.Kill)
	return d
}

// bare starts the bare loop with n entries.
func (r *router) bare(tb netlab.TB, b *bench, f mroute.Family, n int) *program.Daemon {
	tb.Helper()
	cmd := exec.Command(filepath.Join(b.dir, "bareloop"), f.String(), strconv.Itoa(r.Index("in")), strconv.Itoa(r.Index("out")), strconv.Itoa(n))
	d, err := program.Start(r.NS, r.dir, patience, cmd)
	if err != nil {
		tb.Fatalf("bareloop: %v", err)
	}
	tb.Cleanup(d.Kill)
	return d
}

func stop(tb netlab.TB, d *program.Daemon) {
	tb.Helper()
	if err := d.Stop(patience); err != nil {
		tb.Fatalf("%v", err)
	}
}

// memory is that of a process.
func memory(tb netlab.TB, d *program.Daemon) procfs.ProcStatus {
	tb.Helper()
	p, err := procfs.NewProc(d.PID())
	if err == nil {
		var s procfs.ProcStatus
		if s, err = p.NewStatus(); err == nil {
			return s
		}
	}
	tb.Fatalf("memory of %d: %v", d.PID(), err)
	return procfs.ProcStatus{}
}

// resident adds the resident memory of a process to s in bytes, once it has stayed the same
// for a while: a daemon may give memory back when it is ready.
func (s *side) resident(tb netlab.TB, d *program.Daemon) {
	tb.Helper()
	const still, limit = 500 * time.Millisecond, 10 * time.Second
	m, since := memory(tb, d), time.Now()
	for start := time.Now(); time.Since(start) < limit && time.Since(since) < still; time.Sleep(20 * time.Millisecond) {
		now := memory(tb, d)
		if now.VmRSS != m.VmRSS {
			since = time.Now()
		}
		m = now
	}
	s.add(float64(m.VmRSS))
	s.note = "peak " + mib(float64(m.VmHWM))
}
