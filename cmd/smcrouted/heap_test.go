package main

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func gcPercent() int {
	percent := debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	return percent
}

func TestRoomyHeap(t *testing.T) {
	before := gcPercent()
	for _, c := range []struct {
		name string
		size int64
		want int
	}{
		{"small", minRoomy - 1, before},
		{"large", minRoomy, -1},
		{"too large", maxRoomy + 1, before},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "conf")
			if err := os.WriteFile(file, nil, 0o666); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(file, c.size); err != nil {
				t.Fatal(err)
			}
			normal := roomyHeap(file)
			if got := gcPercent(); got != c.want {
				t.Errorf("GC percentage is %d, want %d", got, c.want)
			}
			if limited := debug.SetMemoryLimit(-1) < math.MaxInt64; limited != (c.want < 0) {
				t.Errorf("the heap has a limit: %v, want %v", limited, c.want < 0)
			}
			if normal(); gcPercent() != before {
				t.Errorf("GC percentage is %d afterwards, want %d as before", gcPercent(), before)
			}
			if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
				t.Errorf("the heap is limited to %d bytes afterwards, want no limit as before", limit)
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		if roomyHeap(filepath.Join(t.TempDir(), "nonexistent"))(); gcPercent() != before {
			t.Errorf("GC percentage is %d, want %d as before", gcPercent(), before)
		}
	})
	t.Run("huge pages", func(t *testing.T) {
		if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err != nil {
			t.Skip("this kernel has no transparent huge pages; one with CONFIG_TRANSPARENT_HUGEPAGE would run this")
		}
		file := filepath.Join(t.TempDir(), "conf")
		if err := os.WriteFile(file, make([]byte, 1<<20), 0o666); err != nil {
			t.Fatal(err)
		}
		had := advised(t)
		roomyHeap(file)()
		if more := advised(t) - had; more < 8<<20 {
			t.Errorf("%d more bytes of memory have the flag hg (MADV_HUGEPAGE), want 8 MiB or more", more)
		}
	})
}

// advised is how much memory of this process has MADV_HUGEPAGE, see
// proc_pid_smaps(5).
func advised(t *testing.T) (bytes int) {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for line := range strings.Lines(string(smaps)) {
		f := strings.Fields(line)
		switch {
		case f[0] == "Size:":
			if size, err = strconv.Atoi(f[1]); err != nil {
				t.Fatal(err)
			}
		case f[0] == "VmFlags:" && slices.Contains(f, "hg"):
			bytes += size << 10
		}
	}
	return bytes
}
