package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
)

func (k playKernel) Held(mroute.Family) mroute.Held { return mroute.Held{} }
func (k playKernel) Close() error                   { return nil }

// withManager is a service whose manager holds a pipe.
func withManager(t *testing.T, args ...string) (s *service, said func() map[string]string) {
	t.Helper()
	path, said := manager(t)
	t.Setenv("NOTIFY_SOCKET", path)
	f, err := parseFlags(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s = &service{flags: f, parts: playParts(), log: slog.New(slog.DiscardHandler)}
	s.parts.manager = keep.Inherit()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := s.parts.manager.Put("4-1/0/IPv4/owner", int(r.Fd()), false); err != nil {
		t.Fatal(err)
	}
	if v := said(); v["FDSTORE"] != "1" {
		t.Fatalf("the manager was told %v", v)
	}
	return s, said
}

func TestManagerKeeps(t *testing.T) {
	s, _ := withManager(t, "-n", "-k")
	k, err := s.keepState(t.Context())
	if err != nil || k == nil || k.Store != keep.Store(s.parts.manager) || k.Static || k.Records != nil {
		t.Fatalf("got %+v, %v", k, err)
	}
	k.ready.Store(true)
	if s.dropped || !k.leaves() {
		t.Errorf("dropped %v, leaves %v", s.dropped, k.leaves())
	}
	k.watch(t.Context()) // nothing
	k.close()
}

// What a start with -k left is given up by one without.
func TestManagerKeepsNoMore(t *testing.T) {
	s, said := withManager(t, "-n")
	k, err := s.keepState(t.Context())
	if err != nil || k != nil || k.keeping() != nil {
		t.Fatalf("got %+v, %v", k, err)
	}
	if v := said(); v["FDSTOREREMOVE"] != "1" || v["FDNAME"] != "4-1/0/IPv4/owner" {
		t.Errorf("the manager was told %v", v)
	}
	if !s.dropped || k.leaves() {
		t.Errorf("dropped %v, leaves %v", s.dropped, k.leaves())
	}
	// It closes that when it can.
	attempts := 0
	s.parts.open = func(linux.Options) (kernel.Kernel, error) {
		if attempts++; attempts < 3 {
			return nil, openErrors["busy"]
		}
		if attempts == 3 {
			return playKernel{ipv6: openErrors["busy"]}, nil
		}
		return playKernel{}, nil
	}
	if _, err := s.open(t.Context()); err != nil || attempts != 4 {
		t.Errorf("%d attempts, %v", attempts, err)
	}
	s.dropped, attempts = false, 0
	if _, err := s.open(t.Context()); !errors.Is(err, kernel.ErrTableBusy) || attempts != 1 {
		t.Errorf("with nothing to wait for: %d attempts, %v", attempts, err)
	}
}

func TestLeaves(t *testing.T) {
	for _, tt := range []struct{ found, ready, lasts, want bool }{
		{false, false, true, false}, // a start that failed leaves nothing new
		{true, false, true, true},
		{false, true, true, true},
		{true, true, true, true},
		{true, true, false, false},
	} {
		store := keep.NewMemory()
		store.SetLasts(tt.lasts)
		k := &kept{Keeping: keep.Keeping{Store: store}, log: slog.New(slog.DiscardHandler), found: tt.found}
		k.ready.Store(tt.ready)
		if got := k.leaves(); got != tt.want {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
}

func TestKeeperLock(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "keeper")
	if err := os.WriteFile(socket+".user", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	first, err := lockKeeper(t.Context(), socket, 0)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(socket + ".user"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can lock it: %v, %v", info, err)
	}
	_, err = lockKeeper(t.Context(), socket, 10*time.Millisecond)
	if exitCode(err) != exitcode.Unavailable || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("a second one: exit code %d, %v", exitCode(err), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = lockKeeper(ctx, socket, time.Hour); err == nil {
		t.Error("who was told to end got it")
	}
	time.AfterFunc(50*time.Millisecond, first.release)
	next, err := lockKeeper(t.Context(), socket, time.Minute)
	if err != nil {
		t.Fatalf("when the first has ended: %v", err)
	}
	next.release()
	_, err = lockKeeper(t.Context(), filepath.Join(socket, "x"), 0)
	if exitCode(err) != exitcode.OSErr {
		t.Errorf("in no folder: exit code %d, %v", exitCode(err), err)
	}
}

// Without the program there is nothing to keep things by, which is told at once.
func TestNoKeeper(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("NOTIFY_SOCKET", "")
	d := command(t, nil, "-n", "--keeper", filepath.Join(t.TempDir(), "keeper"))
	needCapabilities(t)
	if code := d.exit(t); code != exitcode.OSErr || !strings.Contains(d.stderr.String(), "neither beside smcrouted nor in PATH") {
		t.Errorf("exit code %d, %s", code, d.stderr)
	}
}

// One that hangs does not hold up a start for ever, nor an end.
func TestKeeperThatHangs(t *testing.T) {
	dir := t.TempDir()
	pidfile := filepath.Join(dir, "pid")
	fake := fmt.Sprintf("#!/bin/sh\necho $$ >%s~ && mv %[1]s~ %[1]s\nexec sleep 1000\n", pidfile)
	if err := os.WriteFile(filepath.Join(dir, keeperProgram), []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	ctx, end := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- startKeeper(ctx, filepath.Join(dir, "keeper")) }()
	await(t, "keeper", func() bool { _, err := os.Stat(pidfile); return err == nil })
	pid := readPID(t, pidfile)
	end()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("what was started is there")
	}
}
