package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/smcroute/kube-smcroute/cmd/internal/background"
	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
)

// daemonize starts this program again in the background. It waits until the daemon
// has the kernel's tables and its socket, and returns 0, or until it failed, and
// returns its exit code.
func daemonize(args []string, stderr io.Writer) int {
	code, err := spawn(self(), args, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "smcrouted: starting the daemon: %v\n", err)
		return exitcode.OSErr
	}
	return code
}

func spawn(file string, args []string, stderr io.Writer) (int, error) {
	err := background.Start(file, args)
	var failure *background.Failure
	if !errors.As(err, &failure) {
		return exitcode.OK, err
	}
	fmt.Fprint(stderr, failure.Reason)
	if code := failure.State.ExitCode(); code >= 0 {
		return code, nil
	}
	fmt.Fprintf(stderr, "smcrouted: the daemon died: %v\n", failure.State)
	return exitcode.Software, nil
}

// self is this program's file. The link in /proc works even if the file was
// replaced meanwhile, but a process started by it would be called "exe".
func self() string {
	if path, err := os.Executable(); err == nil {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return "/proc/self/exe"
}
