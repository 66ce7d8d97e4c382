package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// row is a line of the table.
type row struct {
	what, debian, bare, ours, ratio, goal string
	met                                   bool
}

// none stands where there is nothing to measure.
const none = "-"

// table is the table in Markdown, whose columns are aligned for a terminal, with
// what was noted below it.
func (b *bench) table(took time.Duration) string {
	lines := [][]string{{"what", "C daemon", "bare loop", "ours", "ratio", "goal", "met"}, nil}
	for _, r := range b.rows {
		met := "**no**"
		if r.met {
			met = "yes"
		}
		lines = append(lines, []string{r.what, r.debian, r.bare, r.ours, r.ratio, r.goal, met})
	}
	widths := make([]int, len(lines[0]))
	for _, l := range lines {
		for i, cell := range l {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var t strings.Builder
	for _, l := range lines {
		for i, w := range widths {
			if l == nil {
				t.WriteString("|" + strings.Repeat("-", w+2))
				continue
			}
			t.WriteString("| " + l[i] + strings.Repeat(" ", w-len([]rune(l[i]))+1))
		}
		t.WriteString("|\n")
	}
	for _, n := range b.notes {
		fmt.Fprintf(&t, "\n%s\n", n)
	}
	fmt.Fprintf(&t, "\n%s, %d CPUs, %s, load before %s; took %s.\n", kernel(), runtime.NumCPU(), runtime.Version(), loadAtStart, took.Round(time.Second))
	return t.String()
}

// loadAtStart is the load average over a minute: how busy the machine was with
// other things.
var loadAtStart = func() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}()

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return runtime.GOOS
	}
	return fmt.Sprintf("%s %s, %s", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:]))
}

// Marks around the table in a file.
const (
	tableBegin = "<!-- table: made by \"make bench\" -->\n"
	tableEnd   = "<!-- end of table -->\n"
)

// insert puts text between the marks of a file.
func insert(file, text string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(b), tableBegin)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		return fmt.Errorf("%s: expected the lines %q and %q", file, strings.TrimSpace(tableBegin), strings.TrimSpace(tableEnd))
	}
	return os.WriteFile(file, []byte(before+tableBegin+text+tableEnd+after), 0o666)
}

// series are measurements of one thing.
type series []time.Duration

func (s series) median() time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[len(sorted)/2]
}

// short prints a duration with three digits or so.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return none
	case d >= 10*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	case d >= time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.0f µs", d.Seconds()*1e6)
}

func mib(bytes int) string {
	if bytes == 0 {
		return none
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}
