package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
)

const keeperProgram = "smcroute-keeper"

// startKeeper starts a keeper for a socket, in the background, and returns when it
// answers there. One that takes too long ends.
func startKeeper(ctx context.Context, socket string) error {
	return runKeeper(ctx, "--socket", socket, "--daemon")
}

// stopKeeper ends the keeper of a socket, unless a program is connected.
func stopKeeper(ctx context.Context, socket string) error {
	return runKeeper(ctx, "stop", "--socket", socket)
}

// runKeeper runs a command of the keeper's program, but not for long.
func runKeeper(ctx context.Context, args ...string) error {
	program, err := findKeeper()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, keeperPatience)
	defer cancel()
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stderr = &said
	cmd.WaitDelay = time.Second // whoever still has the other end of the pipe
	err = cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s has not come to an end: %w", program, ctx.Err())
	}
	return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(said.String()))
}

// findKeeper finds the program beside this one, else in PATH.
func findKeeper() (string, error) {
	if exe, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(exe), keeperProgram)
		if unix.Access(beside, unix.X_OK) == nil {
			return beside, nil
		}
	}
	program, err := exec.LookPath(keeperProgram)
	if err != nil {
		return "", fmt.Errorf("%s, which keeps routes and memberships, is neither beside smcrouted nor in PATH: %w", keeperProgram, err)
	}
	return program, nil
}

// keeperAnswers reports whether somebody listens at a keeper's socket.
func keeperAnswers(socket string) bool {
	conn, err := net.Dial("unixpacket", socket)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// What two daemons of one keeper do to each other could not be told from what
// one does: both would have the same sockets. So only one at a time may.
const (
	// handOver is how long a daemon waits for the one before it, which may just be
	// going.
	handOver = 3 * time.Second

	lockPause = 20 * time.Millisecond
)

// keeperLock is the right to use a keeper. It ends with the process, in whichever
// way.
type keeperLock struct {
	keeper string // the socket
	file   *os.File
}

// lockKeeper waits for the right to use the keeper of a socket, but not for long.
func lockKeeper(ctx context.Context, socket string, patience time.Duration) (*keeperLock, error) {
	f, err := os.OpenFile(socket+".user", os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		// Whoever can read it can lock it. It may be older.
		if err = f.Chmod(0o600); err != nil {
			_ = f.Close()
		}
	}
	if err != nil {
		return nil, &exitError{exitcode.OSErr, fmt.Errorf("-k: %w", err)}
	}
	for deadline := time.Now().Add(patience); ; {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) || !sleep(ctx, lockPause) {
			break
		}
	}
	if err == nil && f.Truncate(0) == nil {
		// For a person. Where there is no room for it it is missing.
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		pid, _ := os.ReadFile(f.Name())
		err = &exitError{exitcode.Unavailable, fmt.Errorf("-k: the keeper at %s is in use by another smcrouted, process %s", socket, bytes.TrimSpace(pid))}
	case err != nil:
		err = &exitError{exitcode.OSErr, fmt.Errorf("-k: locking %s: %w", f.Name(), err)}
	default:
		return &keeperLock{socket, f}, nil
	}
	_ = f.Close()
	return nil, err
}

func (l *keeperLock) release() { _ = l.file.Close() }
