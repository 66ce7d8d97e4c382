// Demo shows multicast routing at work: it lays out a sender, a router and two
// receivers in network namespaces, starts smcrouted on the router, sends real
// packets and compares what arrives with what the configuration says. A second
// act does so with smcroute-agent and the objects of config/samples. With -shell
// it gives a shell on the router of the first act instead.
//
// It needs no root where user namespaces are allowed, and touches nothing
// outside its own namespaces.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

func main() {
	var err error
	switch filepath.Base(os.Args[0]) {
	case "send":
		err = sendCommand(os.Args[1:])
	case "recv":
		err = recvCommand(os.Args[1:])
	default:
		err = demoCommand()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, filepath.Base(os.Args[0])+":", err)
		os.Exit(1)
	}
}

func demoCommand() error {
	bin := flag.String("bin", "bin", "directory of the programs")
	samples := flag.String("samples", "config/samples", "directory of the objects of the second act")
	shell := flag.Bool("shell", false, "give a shell on the router")
	wait := flag.Duration("patience", patience, "how long to wait for packets that don't come")
	flag.Parse()
	dir, err := filepath.Abs(*bin)
	if err != nil {
		return err
	}
	needed := []string{"smcrouted", "smcroutectl"}
	if !*shell {
		needed = append(needed, "smcroute-agent")
	}
	for _, name := range needed {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("%w; build it with make build", err)
		}
	}
	objects, err := readSamples(*samples)
	if err != nil {
		return err
	}
	if err := netlab.Isolate(); err != nil {
		return fmt.Errorf("this needs network namespaces: run it as root, or allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns): %w", err)
	}
	// The mount namespace is this program's own, so it can have a /run of its
	// own: the daemon's default paths cannot meet those of a real one.
	if err := unix.Mount("tmpfs", runDir, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mounting a private %s: %w", runDir, err)
	}
	var failed bool
	err = netlab.Run(func(tb netlab.TB) {
		n := newNetwork(tb, dir, "in", "out1", "out2")
		n.startDaemon()
		if *shell {
			n.shell()
			return
		}
		failed = !n.daemonAct(*wait)
	})
	if err == nil && !*shell {
		err = netlab.Run(func(tb netlab.TB) {
			n := newNetwork(tb, dir, "eth0", "eth1", "wlan0")
			n.startAgent(objects)
			failed = !n.agentAct(objects, *wait) || failed
		})
		fmt.Println("For a shell on the first router, with send and recv at hand: make lab")
	}
	if err == nil && failed {
		err = errors.New("what arrived is not what the configuration says")
	}
	return err
}
