package main

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/kernel"
)

func TestExitCode(t *testing.T) {
	busy := &kernel.Error{Op: "MRT_INIT", Errno: syscall.EADDRINUSE, Cause: kernel.ErrTableBusy}
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"none", nil, 0},
		{"the router's", fmt.Errorf("start: %w", busy), 69},
		{"usage", &usageError{"bad"}, 64},
		{"its own", fmt.Errorf("start: %w", &exitError{78, busy}), 78},
	} {
		if got := exitCode(tt.err); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}
