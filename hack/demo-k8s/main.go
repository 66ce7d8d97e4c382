// Demo-k8s shows the operator at work: it starts a Kubernetes API server, the
// controller and two nodes with an agent each, applies config/samples, sends real
// packets, and shows how the status counts them. Then it goes on until it is
// interrupted, for kubectl to play with; without a terminal it ends by itself.
//
// Nodes, pods, senders and receivers are network namespaces. It needs no root
// where user namespaces are allowed, and touches nothing outside of its own
// namespaces but a port on 127.0.0.1, which leads to the API server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/smcroute/kube-smcroute/test/door"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "demo-k8s:", err)
		os.Exit(1)
	}
}

func run() error {
	bin := flag.String("bin", "bin", "directory of smcroute-agent, smcroute-controller and smcroutectl")
	quit := flag.Bool("quit", !term.IsTerminal(int(os.Stdin.Fd())), "end after the show; as without a terminal")
	flag.Parse()
	stay, err := stayFor(*quit)
	if err != nil {
		return err
	}
	programs, err := filepath.Abs(*bin)
	if err != nil {
		return err
	}
	for _, name := range []string{"smcroute-agent", "smcroute-controller", "smcroutectl"} {
		if _, err := os.Stat(filepath.Join(programs, name)); err != nil {
			return fmt.Errorf("%w; build it with make build", err)
		}
	}
	if err := kubelab.Find(); err != nil {
		return err
	}
	door, err := door.Open()
	if err != nil {
		return err
	}
	if err := netlab.Isolate(); err != nil {
		return fmt.Errorf("this needs network namespaces: run it as root, or allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns): %w", err)
	}
	// From here on this is the process inside. Should the one outside be killed,
	// this one is to tidy up.
	ctx, cancel := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer cancel()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0); err != nil {
		return fmt.Errorf("prctl(PR_SET_PDEATHSIG): %w", err)
	}
	dir, err := os.MkdirTemp("", "kube-smcroute-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	err = netlab.Run(func(tb netlab.TB) {
		s := newShow(ctx, tb, programs, dir)
		door.Serve(kubelab.Address + ":" + kubelab.Port)
		s.lab.KubeConfigAt(door.Addr())
		s.run()
		s.stay(filepath.Join(dir, "kubeconfig"), stay)
	})
	if ctx.Err() != nil {
		return nil // whatever failed did so because everything ends
	}
	return err
}

// forever is the stay of a demo that ends when it is interrupted.
const forever = time.Duration(1<<63 - 1)

// stayFor tells for how long the demo goes on after the show.
func stayFor(quit bool) (time.Duration, error) {
	if text := os.Getenv("DEMO_SECONDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return 0, errors.New("DEMO_SECONDS=" + text + ": expected a number of seconds")
		}
		return time.Duration(n) * time.Second, nil
	}
	if quit {
		return 0, nil
	}
	return forever, nil
}
