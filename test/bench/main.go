// Command bench measures smcrouted against the original, Debian's, against a bare
// loop of system calls, and against other multicast routers where they do the same
// job, and prints one table. What the rows mean is in docs/performance.md.
//
//	bench                           print the table
//	bench -write docs/performance.md   and put it into that file
//	bench -only learn               only measurements whose name has that word
//	bench -ours DIR                 binaries to measure, else they are built
//	bench -rivals DIR               where igmpproxy and pimd are, beside PATH
//	bench -profile DIR              no table: profiles of the daemon at work, into DIR
//	bench -tiny                     small sizes and few rounds: whether all of it works
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/test/bench/section"
	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// envDir is the directory with the programs that were built.
const envDir = "BENCH_DIR"

// options are the flags.
type options struct {
	write, only, ours, rivals, profile string
	tiny                               bool
}

func main() {
	var o options
	flag.StringVar(&o.write, "write", "", "`file` to put the table into")
	flag.StringVar(&o.only, "only", "", "measure only what has that `word` in its name")
	flag.StringVar(&o.ours, "ours", "", "`directory` with the binaries to measure")
	flag.StringVar(&o.rivals, "rivals", "", "`directory` with igmpproxy and pimd")
	flag.StringVar(&o.profile, "profile", "", "`directory` for profiles of the daemon, instead of a table")
	flag.BoolVar(&o.tiny, "tiny", false, "small sizes and few rounds")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if os.Getenv(envDir) == "" {
		// Before this program is started again inside a network namespace,
		// which has no way to a module proxy.
		dir, err := os.MkdirTemp("", "bench-")
		if err != nil {
			return err
		}
		if err := build(".", dir, o.profile != ""); err != nil {
			return err
		}
		if err := os.Setenv(envDir, dir); err != nil {
			return err
		}
	}
	if err := netlab.Isolate(); err != nil {
		return fmt.Errorf("needs network namespaces: run as root, or allow user namespaces: %w", err)
	}
	dir := os.Getenv(envDir)
	defer os.RemoveAll(dir)

	b, err := newBench(dir, o)
	if err != nil {
		return err
	}
	if o.profile != "" {
		return b.profiles(o.profile, o.only)
	}
	m, start := thisMachine(), time.Now()
	b.measure(o.only)
	text := b.table(m, time.Since(start))
	fmt.Print(text)
	if o.write == "" {
		return nil
	}
	return section.Replace(o.write, tableBegin, tableEnd, text)
}

// newBench is a run with the programs in dir, and those that are installed.
func newBench(dir string, o options) (*bench, error) {
	b := &bench{sizes: full, dir: dir, ours: program.In(dir), rivals: o.rivals}
	if o.tiny {
		b.sizes = tiny
	}
	if o.ours != "" {
		b.ours = program.In(o.ours)
	}
	var err error
	b.debian, err = program.Debian()
	switch {
	case err == nil:
		b.hasDebian = true
	case errors.Is(err, program.ErrMissing):
		b.notes = append(b.notes, "No figures of the C daemon: "+err.Error()+".")
	default:
		return nil, err
	}
	return b, nil
}

// measure makes the rows of all measurements with a word in their names. One that
// fails is noted, and the others go on.
func (b *bench) measure(only string) {
	for _, m := range measurements {
		if !strings.Contains(m.name, only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring: %s\n", m.name)
		err := netlab.Run(func(tb netlab.TB) { b.rows = append(b.rows, m.measure(b, tb)...) })
		if err != nil {
			b.failed = append(b.failed, m.name)
			b.notes = append(b.notes, fmt.Sprintf("**%s** could not be measured: %s.", m.name, strings.TrimRight(err.Error(), ".\n")))
		}
	}
}

// measurements in the order of the table.
var measurements = []struct {
	name    string
	measure func(*bench, netlab.TB) []row
}{
	{"start", (*bench).start},
	{"memory", (*bench).memory},
	{"reload", (*bench).reload},
	{"change", (*bench).change},
	{"first", (*bench).first},
	{"onset", (*bench).onset},
	{"learn", (*bench).learn},
	{"path", (*bench).path},
	{"counters", (*bench).counters},
	{"interfaces", (*bench).interfaces},
}
