package main

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
)

func TestOpenDoors(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken, socket := l.Addr().String(), filepath.Join(t.TempDir(), "metrics")
	for _, tt := range []struct {
		name, ui, metrics string
		want              int // doors
		code              int
	}{
		{"none", "", "", 0, exitcode.OK},
		{"both", "127.0.0.1:0", "unix://" + socket, 2, exitcode.OK},
		{"a page where somebody is", taken, "unix://" + socket, 0, exitcode.Unavailable},
		{"metrics where somebody is", "", taken, 0, exitcode.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &service{flags: flags{ui: tt.ui, metrics: tt.metrics}}
			doors, err := s.openDoors(t.Context())
			defer closeDoors(doors)
			if len(doors) != tt.want || exitCode(err) != tt.code {
				t.Errorf("got %d doors and %v with exit code %d, want %d and %d", len(doors), err, exitCode(err), tt.want, tt.code)
			}
		})
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// An address that was taken before another could not be is free again. It is none
// that other programs are given.
func TestDoorsAreClosed(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.8.4.73:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := &service{flags: flags{ui: addr, metrics: "unix:///proc/nowhere/metrics"}}
	if _, err := s.openDoors(t.Context()); exitCode(err) != exitcode.Unavailable {
		t.Fatalf("got %v, want exit code %d", err, exitcode.Unavailable)
	}
	if l, err = new(net.ListenConfig).Listen(t.Context(), "tcp", addr); err != nil {
		t.Fatalf("the page's address is still taken: %v", err)
	}
	_ = l.Close()
}
