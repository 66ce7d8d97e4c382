package clusterlab

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/smcroute/kube-smcroute/test/clusterlab/capsule"
	"github.com/smcroute/kube-smcroute/test/kubelab"
)

// Env is the environment for programs that administer the cluster: KUBECONFIG,
// and PATH with kubectl and helm.
func (c *Cluster) Env() []string {
	path := os.Getenv(kubelab.EnvAssets) + ":" + filepath.Dir(os.Getenv(envHelm)) + ":" + os.Getenv("PATH")
	return append(os.Environ(), "KUBECONFIG="+c.KubeConfig, "HOME="+capsule.Disk(), "PATH="+path)
}

// Kubectl runs kubectl as an administrator and returns what it prints. An error
// ends the test.
func (c *Cluster) Kubectl(args ...string) string {
	c.tb.Helper()
	return c.must(c.TryKubectl(args...))
}

// TryKubectl is Kubectl for commands that may fail: the error has what kubectl
// says.
func (c *Cluster) TryKubectl(args ...string) (string, error) {
	return c.run(kubernetes("kubectl"), args...)
}

// Helm runs helm as an administrator and returns what it prints. An error ends
// the test.
func (c *Cluster) Helm(args ...string) string {
	c.tb.Helper()
	return c.must(c.TryHelm(args...))
}

// TryHelm is Helm for commands that may fail.
func (c *Cluster) TryHelm(args ...string) (string, error) {
	return c.run(os.Getenv(envHelm), args...)
}

func (c *Cluster) must(out string, err error) string {
	c.tb.Helper()
	if err != nil {
		c.tb.Fatalf("%v", err)
	}
	return out
}

func (c *Cluster) run(program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	cmd.Env = c.Env()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// Clients are the programs kubectl and helm.
func Clients() (kubectl, helm string) { return kubernetes("kubectl"), os.Getenv(envHelm) }

// WriteKubeConfig writes a file for an administrator who comes to the API server
// at another URL, of 127.0.0.1.
func (c *Cluster) WriteKubeConfig(file, url string) error {
	config, err := clientcmd.LoadFromFile(c.KubeConfig)
	if err != nil {
		return err
	}
	for _, cluster := range config.Clusters {
		cluster.Server = url
	}
	return clientcmd.WriteToFile(*config, file)
}
