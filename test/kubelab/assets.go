package kubelab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// EnvAssets names the folder of etcd, kube-apiserver and kubectl, for envtest,
// too.
const EnvAssets = "KUBEBUILDER_ASSETS"

// Find looks for the Kubernetes programs and lets [EnvAssets] name their folder.
// It builds them if the variable CI is set. Call it before the program is
// isolated, since that needs a way to a module proxy. The error says how to get
// them.
func Find() error {
	if dir := os.Getenv(EnvAssets); dir != "" {
		for _, name := range []string{"etcd", "kube-apiserver", "kubectl"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("%s=%s: %w", EnvAssets, dir, err)
			}
		}
		return nil
	}
	root, err := Root()
	if err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(root, "hack/kubebox/build"))
	var said strings.Builder
	cmd.Stderr = os.Stderr
	if os.Getenv("CI") == "" {
		cmd.Args = append(cmd.Args, "-path")
		cmd.Stderr = &said
	}
	out, err := cmd.Output()
	if text := strings.TrimSpace(said.String()); err != nil && text != "" {
		return errors.New(text)
	}
	if err != nil {
		return fmt.Errorf("hack/kubebox/build: %w", err)
	}
	return os.Setenv(EnvAssets, strings.TrimSpace(string(out)))
}

// Root is the folder of the project's go.mod, at or above the working
// directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("there is no go.mod in the working directory or above")
		}
		dir = filepath.Dir(dir)
	}
}

func (l *Lab) assets() string { return os.Getenv(EnvAssets) }
