// Command bench measures smcrouted against the original, Debian's, and against
// a bare loop of system calls, and prints one table. What the rows mean is in
// docs/performance.md.
//
//	bench                           print the table
//	bench -write docs/performance.md   and put it into that file
//	bench -only learn               only rows whose name has that word
//	bench -ours DIR                 binaries to measure, else they are built
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// envDir is the directory with the programs that were built.
const envDir = "BENCH_DIR"

func main() {
	write := flag.String("write", "", "file to put the table into")
	only := flag.String("only", "", "measure only what has that word in its name")
	ours := flag.String("ours", "", "directory with the binaries to measure")
	flag.Parse()
	if err := run(*write, *only, *ours); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(write, only, ours string) error {
	dir := os.Getenv(envDir)
	if dir == "" {
		// Before this program is started again inside a network namespace,
		// which has no way to a module proxy.
		var err error
		if dir, err = os.MkdirTemp("", "bench-"); err != nil {
			return err
		}
		if err := program.Build(".", dir, "./cmd/smcrouted", "./cmd/smcroutectl", "./test/bench/bareloop"); err != nil {
			return err
		}
		if err := os.Setenv(envDir, dir); err != nil {
			return err
		}
	}
	if err := netlab.Isolate(); err != nil {
		return fmt.Errorf("needs network namespaces: run as root, or allow user namespaces: %w", err)
	}
	defer os.RemoveAll(dir)

	b := &bench{dir: dir, ours: program.In(dir), bareloop: dir + "/bareloop"}
	if ours != "" {
		b.ours = program.In(ours)
	}
	var err error
	b.debian, err = program.Debian()
	switch {
	case err == nil:
		b.hasDebian = true
	case errors.Is(err, program.ErrMissing):
		b.notes = append(b.notes, "No figures of the C daemon: "+err.Error()+".")
	default:
		return err
	}
	start := time.Now()
	for _, m := range measurements {
		if !strings.Contains(m.name, only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring: %s\n", m.name)
		if err := netlab.Run(func(tb netlab.TB) { b.rows = append(b.rows, m.measure(b, tb)...) }); err != nil {
			b.notes = append(b.notes, m.name+" failed: "+err.Error())
		}
	}
	text := b.table(time.Since(start))
	fmt.Print(text)
	if write == "" {
		return nil
	}
	return insert(write, text)
}

// measurements in the order of the table.
var measurements = []struct {
	name    string
	measure func(*bench, netlab.TB) []row
}{
	{"start and memory", (*bench).start},
	{"reload", (*bench).reload},
	{"add", (*bench).add},
	{"learn", (*bench).learn},
}
