package clusterlab

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/smcroute/kube-smcroute/hack/image/oci"
	"github.com/smcroute/kube-smcroute/test/clusterlab/capsule"
	"github.com/smcroute/kube-smcroute/test/kubelab"
)

// What the program in the capsule needs to know, from prepare.
const (
	envHelm    = "CLUSTERLAB_HELM"    // the program
	envCNI     = "CLUSTERLAB_CNI"     // folder of the network plug-ins
	envMissing = "CLUSTERLAB_MISSING" // why there can be no cluster
)

// Main is for TestMain. It runs the tests of m in a lab of their own, see
// [Isolate], and ends the process with their exit code. Where that is not
// possible, the tests run all the same, and [Start] skips them with the reason;
// with the variable CI set the program ends instead.
//
// The functions are called before, once, in the machine's own namespaces, with
// a folder that vanishes with the lab: to build what needs a way to a module
// proxy. Variables that they set in the environment are there in the tests. An
// error of theirs ends the program.
func Main(m interface{ Run() int }, before ...func(dir string) error) {
	if err := Isolate("test", before...); err != nil {
		if missing := (*missingError)(nil); os.Getenv("CI") != "" || !errors.As(err, &missing) {
			fmt.Fprintln(os.Stderr, "clusterlab:", err)
			os.Exit(1)
		}
		_ = os.Setenv(envMissing, err.Error())
	}
	os.Exit(m.Run())
}

// Isolate returns nil when the program is in a lab's namespaces. To get there it
// runs the program again, see [capsule.Enter]; that call does not return. Before
// that it builds what a cluster needs, and then calls the functions, with the
// lab's folder. The label is part of that folder's name: lower case letters.
func Isolate(label string, before ...func(dir string) error) error {
	if capsule.Inside() {
		return nil
	}
	if err := Look(); err != nil {
		return &missingError{err}
	}
	return capsule.Enter(capsule.Options{Label: label, Before: func(dir string) error {
		for _, f := range append([]func(string) error{prepare}, before...) {
			if err := f(dir); err != nil {
				return err
			}
		}
		return nil
	}})
}

// missingError says what the machine lacks.
type missingError struct{ err error }

func (e *missingError) Error() string { return e.err.Error() }
func (e *missingError) Unwrap() error { return e.err }

// packages is the program that installs what can be missing.
const packages = "hack/cluster/packages, as root, installs it on Debian and Ubuntu"

// Look finds what a cluster needs of the machine, or says what is missing. With
// the variable CI set it builds Kubernetes if that is.
func Look() error {
	if os.Geteuid() != 0 {
		return errors.New("a cluster needs root: containers and their mounts are the kernel's business")
	}
	// Where Debian puts programs of administrators, also in a PATH of others.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return err
	}
	for _, name := range []string{"containerd", "containerd-shim-runc-v2", "ctr", "runc", "iptables", "ip6tables", "mount"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("there is no %s in PATH: %s", name, packages)
		}
	}
	out, err := exec.Command("containerd", "--version").Output()
	if err != nil {
		return fmt.Errorf("containerd --version: %w", err)
	}
	if err := checkContainerd(string(out)); err != nil {
		return err
	}
	dir, err := findPlugins("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")
	if err != nil {
		return err
	}
	if err := kubelab.Find(); err != nil {
		return err
	}
	for _, name := range []string{"kubelet", "kube-proxy", "kube-scheduler", "kube-controller-manager"} {
		if _, err := os.Stat(filepath.Join(os.Getenv(kubelab.EnvAssets), name)); err != nil {
			return fmt.Errorf("%w: unset %s, and build it with make kubebox", err, kubelab.EnvAssets)
		}
	}
	return os.Setenv(envCNI, dir)
}

// findPlugins returns the first folder that has all network plug-ins.
func findPlugins(dirs ...string) (string, error) {
	names := []string{"bridge", "ptp", "host-local", "loopback", "portmap"}
next:
	for _, dir := range dirs {
		for _, name := range names {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				continue next
			}
		}
		return dir, nil
	}
	return "", fmt.Errorf("the network plug-ins %s are in none of %s: %s", strings.Join(names, ", "), strings.Join(dirs, ", "), packages)
}

var version = regexp.MustCompile(` v?([0-9]+)\.([0-9]+)\.[0-9]\S*`)

// checkContainerd takes what "containerd --version" prints. Kubelets need the CRI
// of 1.6 or later.
func checkContainerd(says string) error {
	match := version.FindStringSubmatch(says)
	if match == nil {
		return fmt.Errorf("containerd --version says %q: expected a version", strings.TrimSpace(says))
	}
	major, _ := strconv.Atoi(match[1])
	minor, _ := strconv.Atoi(match[2])
	if major < 1 || major == 1 && minor < 6 {
		return fmt.Errorf("containerd is %s: kubelets need 1.6 or later", strings.TrimSpace(match[0]))
	}
	return nil
}

// Versions tells what the nodes are made of, in one line.
func Versions() string {
	var all []string
	for _, cmd := range []*exec.Cmd{
		exec.Command(kubernetes("kubelet"), "--version"),
		exec.Command("containerd", "--version"),
		exec.Command("runc", "--version"),
	} {
		out, _ := cmd.CombinedOutput() // or it says why not
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		all = append(all, first)
	}
	return strings.Join(all, ", ")
}

// prepare builds helm and the image of pause.
func prepare(dir string) error {
	root, err := kubelab.Root()
	if err != nil {
		return err
	}
	helm, err := run(root, GoCommand(), "tool", "-n", "-modfile=hack/tools/go.mod", "helm")
	if err != nil {
		return err
	}
	if err := os.Setenv(envHelm, strings.TrimSpace(helm)); err != nil {
		return err
	}
	program := filepath.Join(dir, "pause")
	if _, err := run(root, GoCommand(), "build", "-ldflags=-s -w", "-o", program, "./test/clusterlab/pause"); err != nil {
		return err
	}
	index, err := oci.Index(oci.Image{
		Files:  []oci.File{oci.Program(program)},
		Config: v1.Config{Entrypoint: []string{"/pause"}},
	})
	if err != nil {
		return err
	}
	_, err = oci.Write(program+".tar", pauseImage, index)
	return err
}

// GoCommand is the go command: that of the variable GO, as with make.
func GoCommand() string { return cmp.Or(os.Getenv("GO"), "go") }

// run runs a program in the project's root, with the Makefile's way to compile,
// so that nothing is compiled twice.
func run(root, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false -trimpath", "GOWORK=off")
	var errs strings.Builder
	cmd.Stderr = &errs
	capsule.Tie(cmd)
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%v: %w\n%s", cmd, err, errs.String())
	}
	return string(out), nil
}

// Inside reports whether the program runs in a lab.
func Inside() bool { return capsule.Inside() }

// Dir is the lab's folder, which vanishes with it: the one that the functions
// got that [Main] and [Isolate] called.
func Dir() string { return capsule.Dir() }
