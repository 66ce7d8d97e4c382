package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/smcroute/kube-smcroute/test/clusterlab"
	"github.com/smcroute/kube-smcroute/test/clusterlab/capsule"
)

// What build makes and the tests use.
const (
	envDir = "SMCROUTE_CLUSTER_DIR" // folder of images, mcast and the plug-in

	oldVersion = "devel"      // of the operator that the tests install
	newVersion = "0.0.0-next" // of the one that they upgrade to
)

func TestMain(m *testing.M) { clusterlab.Main(m, build) }

// build makes the images, mcast for machines that are no pods, and kubectl's plug-in. It runs in
// the machine's own namespaces, where there is a way to a module proxy.
func build(dir string) error {
	for _, version := range []string{oldVersion, newVersion} {
		if err := run("run", "../../hack/image", "-o", dir, "-version", version, "-arch", runtime.GOARCH); err != nil {
			return err
		}
	}
	if err := run("build", "-o", dir+"/", "../../cmd/mcast", "../../cmd/kubectl-multicast"); err != nil {
		return err
	}
	return os.Setenv(envDir, dir)
}

// run runs the go command, no longer than this program lives.
func run(args ...string) error {
	cmd := exec.Command(clusterlab.GoCommand(), args...)
	capsule.Tie(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	return nil
}

// made is the path of a file that build made.
func made(name string) string { return filepath.Join(os.Getenv(envDir), name) }

// images are those to be imported into the nodes.
func images() []string {
	return []string{
		made("kube-smcroute-" + oldVersion + ".tar"),
		made("kube-smcroute-" + newVersion + ".tar"),
	}
}
