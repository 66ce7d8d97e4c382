package systemd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/smcroute/kube-smcroute/test/clusterlab/capsule"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

const (
	manager = "/lib/systemd/systemd"

	// The version that is installed, and the one that replaces it.
	oldVersion, newVersion = "1.0-old", "2.0-new"
)

// missing is what the machine lacks.
var missing error

func TestMain(m *testing.M) {
	if missing = look(); missing == nil {
		if err := capsule.Enter(capsule.Options{Label: "systemd", Before: install}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	netlab.Main(m)
}

// look says why there can be no systemd.
func look() error {
	if os.Geteuid() != 0 {
		return errors.New("needs root, for namespaces in which systemd works")
	}
	for _, program := range []string{manager, "systemctl", "make"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("needs systemd and GNU make: %w", err)
		}
	}
	return capsule.Unified()
}

// install installs two versions into folders of the capsule.
func install(dir string) error {
	for _, version := range []string{oldVersion, newVersion} {
		cmd := exec.Command("make", "-C", "../..", "install",
			"VERSION="+version, "BIN="+filepath.Join(dir, "bin"), "DESTDIR="+filepath.Join(dir, version))
		cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=") // not those of a make that runs the test
		capsule.Tie(cmd)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", cmd, err, out)
		}
	}
	return nil
}

// installed is a file of a version.
func installed(version, path string) string { return filepath.Join(capsule.Dir(), version, path) }
