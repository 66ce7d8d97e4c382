package script

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/smcroute/kube-smcroute/test/programs"
)

func TestMain(m *testing.M) { programs.MainOf(m, "smcrouted", "smcroutectl", "smcroute-keeper") }

func TestScripts(t *testing.T) {
	dir := programs.Dir()
	for _, name := range []string{"smcrouted", "smcroutectl"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Fatalf("no %s in SMCROUTED_DIR=%s: %v", name, dir, err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		RequireUniqueNames: true,
		UpdateScripts:      os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds:               scriptCommands(),
		Condition:          condition,
		Setup: func(env *testscript.Env) error {
			newLab(env, dir)
			return nil
		},
	})
}

func condition(name string) (bool, error) {
	switch name {
	case "root":
		return realRoot()
	case "oom":
		return canLimitMemory(), nil
	case "ours":
		return programs.Ours(), nil
	}
	return false, fmt.Errorf("unknown condition [%s]: expected root, oom, ours, or one of testscript's", name)
}

// realRoot reports whether user 0 of this namespace is that of the machine.
func realRoot() (bool, error) {
	m, err := os.ReadFile("/proc/self/uid_map")
	return strings.Join(strings.Fields(string(m)), " ") == "0 0 4294967295" && os.Geteuid() == 0, err
}
