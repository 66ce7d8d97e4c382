// Package charts_test checks what the Helm chart makes of its values.
package charts_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const (
	chart     = "kube-smcroute" // the folder
	namespace = "kube-smcroute"
)

// command runs a program and returns what it prints; its error is what the
// program says.
func command(env []string, name string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = errors.New(stderr.String())
	}
	return stdout.String(), err
}

// goCommand runs the go command as the Makefile does, whatever the tests are
// built with, so that nothing is compiled twice.
func goCommand(args ...string) (string, error) {
	return command([]string{"CGO_ENABLED=0", "GOFLAGS=-buildvcs=false -trimpath"}, "go", args...)
}

// tools are programs of hack/tools, by name: built once, by the go command.
var tools sync.Map

func tool(t *testing.T, name string) string {
	t.Helper()
	find, _ := tools.LoadOrStore(name, sync.OnceValues(func() (string, error) {
		path, err := goCommand("tool", "-modfile=../hack/tools/go.mod", "-n", name)
		return strings.TrimSpace(path), err
	}))
	path, err := find.(func() (string, error))()
	if err != nil {
		t.Fatalf("building %s: %v", name, err)
	}
	return path
}

// helm runs Helm in a home of its own, and with no cluster.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	home := t.TempDir()
	env := []string{"HOME=" + home, "KUBECONFIG=" + filepath.Join(home, "none")}
	for _, dir := range []string{"CACHE", "CONFIG", "DATA"} {
		env = append(env, "HELM_"+dir+"_HOME="+filepath.Join(home, dir))
	}
	return command(env, tool(t, "helm"), args...)
}

// release is what an installation would be.
type release struct {
	Manifest string `json:"manifest"`
	Info     struct {
		Notes string `json:"notes"`
	} `json:"info"`
}

// install says what Helm would install with these values, or why it refuses.
func install(t *testing.T, values string, args ...string) (*release, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(values), 0o644); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"install", "studio", chart, "--namespace", namespace, "--dry-run=client", "-o", "json", "-f", file}, args...)
	out, err := helm(t, args...)
	if err != nil {
		return nil, err
	}
	r := &release{}
	if err := json.Unmarshal([]byte(out), r); err != nil {
		t.Fatalf("helm %s: %v in\n%s", strings.Join(args, " "), err, out)
	}
	return r, nil
}

// mustInstall is for values that are all right.
func mustInstall(t *testing.T, values string, args ...string) *release {
	t.Helper()
	r, err := install(t, values, args...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLint(t *testing.T) {
	if out, err := helm(t, "lint", "--strict", "--namespace", namespace, chart); err != nil {
		t.Error(out, err)
	}
}
