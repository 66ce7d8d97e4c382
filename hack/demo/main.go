// Demo shows multicast routing at work: it lays out a sender, a router and two
// receivers in network namespaces, starts smcrouted on the router, sends real
// packets and compares what arrives with what the configuration says. With
// -shell it then gives a shell on the router.
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
	bin := flag.String("bin", "bin", "directory of smcrouted and smcroutectl")
	shell := flag.Bool("shell", false, "give a shell on the router")
	wait := flag.Duration("patience", patience, "how long to wait for packets that don't come")
	flag.Parse()
	dir, err := filepath.Abs(*bin)
	if err != nil {
		return err
	}
	for _, name := range []string{"smcrouted", "smcroutectl"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("%w; build it with make build", err)
		}
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
		n := newNetwork(tb, dir)
		if *shell {
			n.shell()
			return
		}
		failed = !n.demo(*wait)
	})
	if err == nil && failed {
		err = errors.New("what arrived is not what the configuration says")
	}
	return err
}
