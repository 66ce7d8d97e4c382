package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/smcroute/kube-smcroute/test/clusterlab/capsule"
)

// cluster is what the one that runs tells of itself, in a file of its folder.
type cluster struct {
	KubeConfig string // for the machine: through the door
	Kubectl    string // program
	Helm       string // program
	Programs   string // folder of the project's, as in the image
	Logs       string // folder
	Socket     string // where commands are taken, see [server]
	Machines   []string
}

// stateFile is the name of that file. It is there once the cluster is up.
const stateFile = "cluster.json"

// find returns the cluster that is up.
func find() (*cluster, error) {
	dirs, err := capsule.Living(label)
	if err != nil {
		return nil, err
	}
	if len(dirs) == 0 {
		return nil, errors.New("no cluster is up: start one with make cluster-up")
	}
	c, err := read(dirs[0])
	if errors.Is(err, os.ErrNotExist) {
		return nil, errors.New("the cluster is not up yet: wait for make cluster-up to end")
	}
	return c, err
}

func read(dir string) (*cluster, error) {
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, err
	}
	c := &cluster{}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, stateFile), err)
	}
	return c, nil
}

// write makes the file appear complete.
func (c *cluster) write(dir string) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, stateFile)
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

func (c *cluster) status([]string) error {
	fmt.Printf("KUBECONFIG  %s\nlogs        %s\nmachines    %s\n\n", c.KubeConfig, c.Logs, strings.Join(c.Machines, ", "))
	return c.kubectl([]string{"get", "nodes", "-o", "wide"})
}

// env prints commands for a shell.
func (c *cluster) env([]string) error {
	fmt.Printf("export KUBECONFIG=%s\nexport PATH=%s:%s:$PATH\n", c.KubeConfig, filepath.Dir(c.Kubectl), filepath.Dir(c.Helm))
	return nil
}

func (c *cluster) kubectl(args []string) error { return c.become(c.Kubectl, args) }

func (c *cluster) helm(args []string) error { return c.become(c.Helm, args) }

// become replaces this process by a program that administers the cluster.
func (c *cluster) become(program string, args []string) error {
	if err := os.Setenv("KUBECONFIG", c.KubeConfig); err != nil {
		return err
	}
	argv := append([]string{filepath.Base(program)}, args...)
	return fmt.Errorf("%s: %w", program, syscall.Exec(program, argv, os.Environ()))
}

func (c *cluster) logs(args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("logs of %s: expected one name, or none", strings.Join(args, ", "))
	}
	if len(args) == 1 {
		cmd := exec.Command("cat", filepath.Join(c.Logs, args[0]+".log"))
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd.Run()
	}
	files, err := filepath.Glob(filepath.Join(c.Logs, "*.log"))
	if err != nil {
		return err
	}
	fmt.Printf("In %s:\n", c.Logs)
	for _, file := range files {
		fmt.Println("  " + strings.TrimSuffix(filepath.Base(file), ".log"))
	}
	return nil
}
