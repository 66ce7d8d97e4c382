package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
		return nil, fmt.Errorf("no cluster is up, with a folder in %s: start one with make cluster-up", os.TempDir())
	}
	c, err := read(dirs[0])
	if errors.Is(err, os.ErrNotExist) {
		return nil, errors.New("the cluster is not up yet: wait for make cluster-up to end")
	}
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("the cluster is root's: %w", err)
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

func (c *cluster) status(args []string) error {
	if err := none("status", args); err != nil {
		return err
	}
	fmt.Printf("KUBECONFIG  %s\nlogs        %s\nmachines    %s\n\n", c.KubeConfig, c.Logs, strings.Join(c.Machines, ", "))
	return c.kubectl([]string{"get", "nodes", "-o", "wide"})
}

// env prints commands for a shell.
func (c *cluster) env(args []string) error {
	if err := none("env", args); err != nil {
		return err
	}
	fmt.Printf("export KUBECONFIG=%s\nexport PATH=%s:$PATH\n", quote(c.KubeConfig), quote(filepath.Dir(c.Kubectl)+":"+filepath.Dir(c.Helm)))
	return nil
}

// none refuses arguments of a command that takes none.
func none(command string, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s %s: expected no arguments", command, strings.Join(args, " "))
	}
	return nil
}

var plain = regexp.MustCompile(`^[A-Za-z0-9/._:-]+$`)

// quote makes one word of a shell, as it is if it is plain.
func quote(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
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
