package main

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
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
		{"large", minRoomy, max(400, before)},
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
			if normal(); gcPercent() != before {
				t.Errorf("GC percentage is %d afterwards, want %d as before", gcPercent(), before)
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
		smaps, err := os.ReadFile("/proc/self/smaps")
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`(?m)^VmFlags:.* hg\b`).Match(smaps) {
			t.Error("no mapping has the flag hg (MADV_HUGEPAGE)")
		}
	})
}
