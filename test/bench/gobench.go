package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Packages whose Go benchmarks give rows.
const (
	corePackage   = "agent/core"
	nodePackage   = "controllers/node"
	kernelPackage = "agent/kernel/linux"
)

// buildBenchmarks compiles the tests of these packages into dir.
func buildBenchmarks(root, dir string) error {
	for _, p := range []string{corePackage, nodePackage, kernelPackage} {
		cmd := exec.Command("go", "test", "-c", "-buildvcs=false", "-trimpath", "-o", testBinary(dir, p), "./"+p)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", cmd, err, out)
		}
	}
	return nil
}

func testBinary(dir, pkg string) string {
	return filepath.Join(dir, strings.ReplaceAll(path.Clean(pkg), "/", "-")+".test")
}

// results are the figures of one benchmark by their units, as "ns/op".
type results map[string]float64

// benchmark runs one, whose name is like a path. There are no results if there is no
// such benchmark.
func (b *bench) benchmark(tb netlab.TB, pkg, name string, flags ...string) results {
	tb.Helper()
	var pattern []string
	for part := range strings.SplitSeq(name, "/") {
		pattern = append(pattern, "^"+part+"$")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args := append([]string{"-test.run=^$", "-test.bench=" + strings.Join(pattern, "/"), "-test.benchtime=" + b.benchtime, "-test.benchmem"}, flags...)
	cmd := exec.CommandContext(ctx, testBinary(b.dir, pkg), args...)
	cmd.Dir = b.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		tb.Fatalf("%s of %s: %v\n%s", name, pkg, err, out)
	}
	return parseResults(string(out), name)
}

// parseResults finds the line of a benchmark: its name, how often it ran, and pairs
// of a figure and a unit.
func parseResults(out, name string) results {
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != name && !strings.HasPrefix(f[0], name+"-") {
			continue
		}
		r := results{}
		for i := 2; i+1 < len(f); i += 2 {
			if figure, err := strconv.ParseFloat(f[i], 64); err == nil {
				r[f[i+1]] = figure
			}
		}
		return r
	}
	return nil
}

// side is one figure, times scale, if there is one.
func (r results) side(unit string, scale float64) *side {
	s := &side{}
	if figure, ok := r[unit]; ok {
		s.add(figure * scale)
	} else {
		s.note = "not measured"
	}
	return s
}
