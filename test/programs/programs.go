// Package programs builds the project's programs for tests that drive them.
package programs

import (
	"fmt"
	"os"
	"os/exec"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

const (
	module = "github.com/smcroute/kube-smcroute"

	envDir  = "SMCROUTED_DIR"      // where the programs are
	envTemp = "SMCROUTED_DIR_TEMP" // the same, if it is to be removed
)

// Main is for TestMain: it builds smcrouted and smcroutectl and goes on as
// [netlab.Main]. The environment variable SMCROUTED_DIR can name a directory with
// others, such as /usr/sbin with those of Debian; then nothing is built. In the
// tests, and in what they start, PATH begins with that directory.
func Main(m interface{ Run() int }) { run(m, "smcrouted", "smcroutectl") }

// MainOf is Main with these of the project's programs.
func MainOf(m interface{ Run() int }, names ...string) { run(m, names...) }

func run(m interface{ Run() int }, names ...string) {
	// Before netlab starts this program again, since the new network namespace
	// has no way to a module proxy.
	if os.Getenv(envDir) == "" {
		if err := build(names); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	netlab.Main(cleaner{m})
}

// Dir is the directory of the programs.
func Dir() string { return os.Getenv(envDir) }

// Ours reports whether the programs in Dir are this project's.
func Ours() bool { return os.Getenv(envDir) == os.Getenv(envTemp) }

// build builds into a new directory, with the race detector if the tests have
// it, and else as "make build" does, so that nothing is compiled twice.
func build(names []string) error {
	dir, err := os.MkdirTemp("", "smcrouted-")
	if err != nil {
		return err
	}
	args := []string{"build", "-buildvcs=false", "-o", dir + "/"}
	env := os.Environ()
	if race {
		args = append(args, "-race")
	} else {
		args = append(args, "-trimpath", "-tags=grpcnotrace")
		env = append(env, "CGO_ENABLED=0")
	}
	for _, name := range names {
		args = append(args, module+"/cmd/"+name)
	}
	cmd := exec.Command("go", args...)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	_ = os.Setenv(envDir, dir)
	return os.Setenv(envTemp, dir)
}

// cleaner puts the programs into PATH for the tests, and removes them after.
type cleaner struct{ m interface{ Run() int } }

func (c cleaner) Run() int {
	if dir := os.Getenv(envTemp); dir != "" {
		defer os.RemoveAll(dir)
	}
	_ = os.Setenv("PATH", Dir()+":"+os.Getenv("PATH"))
	return c.m.Run()
}
