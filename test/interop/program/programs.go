// Package program finds or builds smcrouted and smcroutectl, this project's and
// Debian's, and runs the daemon in a network namespace. The interoperability
// tests and the benchmarks share it.
package program

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Programs is a daemon and its client.
type Programs struct {
	Name        string // "ours" or "Debian's"
	Smcrouted   string // paths
	Smcroutectl string
}

// ErrMissing says that Debian's package is not installed, and what would do so.
var ErrMissing = errors.New("the original smcrouted is not installed: 'make test-interop' as root installs Debian's package smcroute")

// Debian finds the programs of Debian's package smcroute. The error is
// [ErrMissing] if what is at their place is something else.
func Debian() (Programs, error) {
	p := Programs{"Debian's", "/usr/sbin/smcrouted", "/usr/sbin/smcroutectl"}
	for _, path := range []string{p.Smcrouted, p.Smcroutectl} {
		if out, err := exec.Command(path, "-v").Output(); err != nil || !strings.HasPrefix(string(out), "SMCRoute v") {
			return Programs{}, ErrMissing
		}
	}
	return p, nil
}

// In names the programs in a directory.
func In(dir string) Programs {
	return Programs{"ours", filepath.Join(dir, "smcrouted"), filepath.Join(dir, "smcroutectl")}
}

// Build builds packages of this project into dir, which gets a binary for each.
// root is the project's directory.
func Build(root, dir string, packages ...string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", append([]string{"build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", dir + "/"}, packages...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build has it
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	return nil
}
