package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/clusterlab/capsule"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// options are those of "up", and of "supervise".
type options struct {
	nodes  int
	images []string
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("up", flag.ExitOnError)
	flags.IntVar(&o.nodes, "nodes", 3, "`number` of nodes, 1 to 9")
	flags.Func("image", "`file` with an OCI image to import into the nodes, instead of the project's; may be repeated", func(s string) error {
		file, err := filepath.Abs(s)
		if err == nil {
			_, err = os.Stat(file)
		}
		o.images = append(o.images, file)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if o.nodes < 1 || o.nodes > 9 {
		return o, fmt.Errorf("-nodes=%d: expected 1 to 9", o.nodes)
	}
	return o, nil
}

// up starts a supervisor that has nothing to do with the terminal, and shows what
// it says until the cluster is up.
func up(args []string) error {
	if _, err := parse(args); err != nil {
		return err
	}
	dirs, err := capsule.Living(label)
	if err != nil {
		return err
	}
	if len(dirs) > 0 {
		return errors.New("a cluster is up already, or comes up: end it with make cluster-down")
	}
	root, err := kubelab.Root()
	if err != nil {
		return err
	}
	packages := exec.Command(filepath.Join(root, "hack/cluster/packages"))
	packages.Stdout, packages.Stderr = os.Stdout, os.Stderr
	if err := packages.Run(); err != nil {
		return fmt.Errorf("hack/cluster/packages: %w", err)
	}
	// A file, and no pipe, since it writes there for as long as it lives.
	said, err := os.CreateTemp("", "kube-smcroute-up-")
	if err != nil {
		return err
	}
	defer said.Close()
	if err := os.Remove(said.Name()); err != nil {
		return err
	}
	// A descriptor of its own has a position of its own.
	reader, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", said.Fd()))
	if err != nil {
		return err
	}
	defer reader.Close()
	cmd := exec.Command("/proc/self/exe", append([]string{"supervise"}, args...)...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		_, _ = io.Copy(os.Stdout, reader)
		select {
		case err := <-ended:
			_, _ = io.Copy(os.Stdout, reader)
			return errors.Join(errors.New("the cluster did not come up"), err)
		case s := <-signals:
			_ = cmd.Process.Signal(s)
			<-ended
			return fmt.Errorf("%v: the cluster is gone", s)
		case <-time.After(50 * time.Millisecond):
		}
		if c := stateOf(cmd.Process.Pid); c != nil {
			_, _ = io.Copy(os.Stdout, reader)
			c.welcome()
			return nil
		}
	}
}

// stateOf returns the cluster whose supervisor has that PID, if it is up.
func stateOf(pid int) *cluster {
	dirs, _ := capsule.Living(label)
	i := slices.IndexFunc(dirs, func(dir string) bool {
		owner, err := capsule.PID(dir)
		return err == nil && owner == pid
	})
	if i < 0 {
		return nil
	}
	c, err := read(dirs[i])
	if err != nil {
		return nil
	}
	return c
}

// welcome says what to do next.
func (c *cluster) welcome() {
	self := os.Args[0]
	fmt.Printf(`
The cluster is up. For kubectl and helm, in any shell:

  eval "$(%[1]s env)"

Machines of the studio's LAN, outside of the cluster, and nodes:

  %[1]s exec studio ip address
  %[1]s exec n1 ps -e

docs/tutorial.md goes on from here: it installs the operator, and brings a stream to
pods. End the cluster with:  make cluster-down
`, self)
}

// down ends the cluster and waits until nothing of it is left.
func down(args []string) error {
	if err := none("down", args); err != nil {
		return err
	}
	dirs, err := capsule.Living(label)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		pid, err := capsule.PID(dir)
		if err != nil {
			return err
		}
		if err := end(dir, pid); err != nil {
			return err
		}
	}
	if len(dirs) == 0 {
		fmt.Println("no cluster is up")
	}
	return capsule.Sweep()
}

// end asks a supervisor to end, and kills it if it does not.
func end(dir string, pid int) error {
	gone := func() bool {
		dirs, err := capsule.Living(label)
		return err == nil && !slices.Contains(dirs, dir)
	}
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		if err := unix.Kill(pid, s); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("ending process %d: %w", pid, err)
		}
		if netlab.Poll(20*time.Second, gone) {
			return nil
		}
	}
	return fmt.Errorf("process %d does not end", pid)
}
