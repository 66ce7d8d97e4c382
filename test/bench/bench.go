package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Sizes of tables.
const (
	small = 10_000
	large = 100_000
)

// patience is how long anything may take. It bounds the C daemon, which is
// never given the large table: 400 s are not enough for it to start with that.
const patience = time.Minute

// bench is one run.
type bench struct {
	dir       string // of the programs, and of what is written
	ours      program.Programs
	debian    program.Programs
	hasDebian bool
	bareloop  string

	rows  []row
	notes []string
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

// conf is a configuration with n exact routes, those of bareloop, and more.
func conf(n int, more string) string {
	var b bytes.Buffer
	b.WriteString("phyint in enable\nphyint out enable\n")
	for i := range n {
		x, y, z := byte(i>>16), byte(i>>8), byte(i)
		fmt.Fprintf(&b, "mroute from in source 10.%d.%d.%d group 232.%d.%d.%d to out\n", x, y, z, x, y, z)
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

// bare starts the bare loop with n entries.
func (r *router) bare(tb netlab.TB, b *bench, n int) *program.Daemon {
	tb.Helper()
	cmd := exec.Command(b.bareloop, strconv.Itoa(r.Index("in")), strconv.Itoa(r.Index("out")), strconv.Itoa(n))
	d, err := program.Start(r.NS, r.dir, patience, cmd)
	if err != nil {
		tb.Fatalf("bareloop: %v", err)
	}
	tb.Cleanup(d.Kill)
	return d
}

// resident is the resident memory of a process in bytes, once it has stayed the
// same for a while: a daemon may give memory back when it is ready.
func resident(tb netlab.TB, d *program.Daemon) int {
	const still, limit = 500 * time.Millisecond, 10 * time.Second
	rss, since := 0, time.Now()
	for start := time.Now(); time.Since(start) < limit && time.Since(since) < still; time.Sleep(20 * time.Millisecond) {
		if now := vmRSS(tb, d.PID()); now != rss {
			rss, since = now, time.Now()
		}
	}
	return rss
}

// vmRSS reads VmRSS of proc_pid_status(5).
func vmRSS(tb netlab.TB, pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		tb.Fatalf("%v", err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); f[0] == "VmRSS:" {
			kib, err := strconv.Atoi(f[1])
			if err != nil {
				tb.Fatalf("%s: %v", line, err)
			}
			return kib << 10
		}
	}
	tb.Fatalf("/proc/%d/status: no VmRSS", pid)
	return 0
}
