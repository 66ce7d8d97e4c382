package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/test/bench/section"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

func TestMain(m *testing.M) {
	if os.Getenv(envDir) == "" {
		dir, err := os.MkdirTemp("", "bench-")
		if err == nil {
			err = build("../..", dir, false)
		}
		if err == nil {
			err = os.Setenv(envDir, dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	netlab.Main(cleaner{m})
}

// cleaner removes what was built.
type cleaner struct{ m *testing.M }

func (c cleaner) Run() int {
	defer os.RemoveAll(os.Getenv(envDir))
	return c.m.Run()
}

// TestAllMeasurements makes a small round of each. The figures mean nothing.
func TestAllMeasurements(t *testing.T) {
	netlab.New(t) // or skip
	b, err := newBench(os.Getenv(envDir), options{tiny: true})
	if err != nil {
		t.Fatal(err)
	}
	b.measure("")
	text := b.table(thisMachine(), 0)
	t.Log("\n" + text)
	if len(b.failed) > 0 {
		t.Errorf("could not be measured: %v", b.failed)
	}
	for _, r := range b.rows {
		if r.ours == none || strings.Contains(r.ours, "NaN") || strings.Contains(r.ratio, "NaN") {
			t.Errorf("no figure of ours: %+v", r)
		}
	}
}

func TestCompare(t *testing.T) {
	ours, other := &side{figures: []float64{2, 4, 30}}, &side{name: "other", figures: []float64{1, 2, 10}}
	got := compare("it", seconds, ours, other, atMost(2))
	if want := (row{"it", "4.0 s", "other 2.0 s", "2", "at most 2", "yes"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	other.figures = other.figures[:2] // not the same rounds: 4 of 2
	if got := compare("it", seconds, ours, other, atLeast(3).as("much")); got.ratio != "2" || got.met != "**no**" || got.goal != "much: at least 3" {
		t.Errorf("got %+v", got)
	}
	other.figures, other.note = nil, "not installed"
	if got := compare("it", seconds, ours, other, atMost(2)); got.against != "other - (not installed)" || got.ratio != none || got.met != none {
		t.Errorf("got %+v", got)
	}
	if got := alone("it", count, &side{figures: []float64{123456}}, atMost(1000)); got.ours != "123,456" || got.met != "**no**" || got.goal != "at most 1,000" {
		t.Errorf("got %+v", got)
	}
	if got := alone("it", count, &side{}, atMost(0)); got.met != none {
		t.Errorf("got %+v: nothing was measured", got)
	}
}

func TestFigures(t *testing.T) {
	var hundred []float64
	for i := range 100 {
		hundred = append(hundred, float64(i))
	}
	slices.Reverse(hundred)
	if p50, p99 := median(hundred), quantile(hundred, 0.99); p50 != 50 || p99 != 99 {
		t.Errorf("p50 %v, p99 %v", p50, p99)
	}
	for _, tt := range []struct{ got, want string }{
		{times(1.0 / 323), "1/323"}, {times(0.6), "0.6"}, {times(1.1234), "1.12"}, {times(57.4), "57"}, {times(0), "0"},
		{count(1234567), "1,234,567"}, {count(999), "999"}, {count(0), "0"},
		{seconds(2.91), "2.9 s"}, {seconds(0.045), "45 ms"}, {seconds(5.5e-6), "5.5 µs"}, {seconds(120e-9), "120 ns"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestParseResults(t *testing.T) {
	const out = "goos: linux\nBenchmarkA/routes=100-2 \t 5 \t 200 ns/op\nBenchmarkA/routes=1000-2         \t      20\t  52.5 ns/op\t 0.50 cpu-ms/op\t       3 allocs/op\nPASS\n"
	r := parseResults(out, "BenchmarkA/routes=1000")
	if r["ns/op"] != 52.5 || r["cpu-ms/op"] != 0.5 || r["allocs/op"] != 3 {
		t.Errorf("got %v", r)
	}
	if r := parseResults(out, "BenchmarkB"); r != nil {
		t.Errorf("got %v", r)
	}
}

func TestInsert(t *testing.T) {
	file := t.TempDir() + "/doc.md"
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("before\n" + tableBegin + "\nold\n" + tableEnd + "\nafter\n")
	if err := section.Replace(file, tableBegin, tableEnd, "new\n"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if want := "before\n" + tableBegin + "\nnew\n" + tableEnd + "\nafter\n"; err != nil || string(b) != want {
		t.Errorf("got %q, %v", b, err)
	}
	write("no marks\n")
	if err := section.Replace(file, tableBegin, tableEnd, "new\n"); err == nil {
		t.Error("no error without marks")
	}
	// The page that "make bench" writes to has them.
	page, err := os.ReadFile("../../docs/performance.md")
	if err != nil || !strings.Contains(string(page), tableBegin) || !strings.Contains(string(page), tableEnd) {
		t.Errorf("docs/performance.md: no marks, or %v", err)
	}
}
