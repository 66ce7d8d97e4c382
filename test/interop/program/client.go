package program

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Result is how a program ended, and what it printed.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Control runs smcroutectl on the daemon that works in dir.
func (p Programs) Control(dir, stdin string, args ...string) (Result, error) {
	return Run(stdin, p.Smcroutectl, append([]string{"-u", filepath.Join(dir, Socket)}, args...)...)
}

// Run runs a program to its end. Its exit code is no error.
func Run(stdin, path string, args ...string) (Result, error) {
	const limit = 30 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		err = nil
	}
	code := -1
	if cmd.ProcessState != nil {
		code = cmd.ProcessState.ExitCode()
	}
	return Result{stdout.String(), stderr.String(), code}, err
}
