package script

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

const (
	envDir  = "SMCROUTED_DIR"      // where the binaries are
	envTemp = "SMCROUTED_DIR_TEMP" // the same, if it is to be removed
)

// ours tells whether the binaries are this project's.
var ours = os.Getenv(envDir) == "" || os.Getenv(envTemp) != ""

func TestMain(m *testing.M) {
	// Before netlab starts this program again, since the new network namespace
	// has no way to a module proxy.
	if os.Getenv(envDir) == "" {
		if err := build(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	netlab.Main(cleaner{m})
}

// build builds the binaries of this project into a new directory, with the
// race detector if the tests have it.
func build() error {
	dir, err := os.MkdirTemp("", "smcrouted-")
	if err != nil {
		return err
	}
	args := []string{"build", "-buildvcs=false", "-o", dir + "/"}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/smcrouted", "./cmd/smcroutectl")...)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	_ = os.Setenv(envDir, dir)
	return os.Setenv(envTemp, dir)
}

// cleaner removes the binaries after the tests.
type cleaner struct{ m *testing.M }

func (c cleaner) Run() int {
	if dir := os.Getenv(envTemp); dir != "" {
		defer os.RemoveAll(dir)
	}
	return c.m.Run()
}

func TestScripts(t *testing.T) {
	dir := os.Getenv(envDir)
	for _, name := range []string{"smcrouted", "smcroutectl"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Fatalf("no %s in %s=%s: %v", name, envDir, dir, err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		RequireUniqueNames: true,
		UpdateScripts:      os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds:               scriptCommands(),
		Condition:          condition,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", dir+":"+env.Getenv("PATH"))
			newLab(env, dir)
			return nil
		},
	})
}

func condition(name string) (bool, error) {
	switch name {
	case "root":
		return realRoot()
	case "ours":
		return ours, nil
	}
	return false, fmt.Errorf("unknown condition [%s]: expected root, ours, or one of testscript's", name)
}

// realRoot reports whether user 0 of this namespace is that of the machine.
func realRoot() (bool, error) {
	m, err := os.ReadFile("/proc/self/uid_map")
	return strings.Join(strings.Fields(string(m)), " ") == "0 0 4294967295" && os.Geteuid() == 0, err
}
