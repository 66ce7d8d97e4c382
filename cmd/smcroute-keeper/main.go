// Smcroute-keeper holds sockets for programs that route multicast, so that what
// they have in the kernel survives them; see smcroute-keeper(8). It is to live
// long, and so knows little: neither what it holds is for, nor Kubernetes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/smcroute/kube-smcroute/cmd/internal/install"
)

const program = "smcroute-keeper"

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1  // the system refused something; of check: not ready
	exitUsage   = 64 // EX_USAGE of sysexits.h
)

func main() {
	// As the first process of a container it gets no signal that it does not ask
	// for.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	signal.Ignore(syscall.SIGHUP) // of a terminal that is gone
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It ends, as the manual page says, when ctx does.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "%s: %v\nTry \"%s --help\".\n", program, err, program)
		return exitUsage
	case o.help:
		fmt.Fprintf(stdout, usage, install.SocketPath(program))
		return exitOK
	case o.version:
		fmt.Fprintf(stdout, "%s v%s\n", program, install.Version)
		return exitOK
	}
	switch o.verb {
	case "check":
		err = check(ctx, o.socket, stdout)
	case "stop":
		err = stop(ctx, o.socket, o.force)
	default:
		err = hold(ctx, o, stderr)
	}
	var told *toldError
	switch {
	case errors.As(err, &told):
		return told.code
	case err != nil:
		fmt.Fprintf(stderr, "%s: %v\n", program, err)
		return exitFailure
	}
	return exitOK
}

const usage = `Usage:
  smcroute-keeper [--socket PATH] [--keep-routes] [--patience TIME] [--daemon]
  smcroute-keeper check [--socket PATH]
  smcroute-keeper stop [--socket PATH] [--force]

Holds for smcroute-agent or smcrouted what they have in the kernel, when they end
in whichever way, until they are there again. check tells whether the keeper in
this network namespace does, and stop empties all that is held and ends it.

Options:
      --socket PATH    Where programs and other keepers connect,
                       default: %s
      --keep-routes    When the last one ends leave in the kernel what is static
      --patience TIME  When asked to end wait so long for programs to end first,
                       default: 8s
      --daemon         Return as soon as the keeper works, which is a process in
                       the background then
      --force          Stop even if programs are connected
  -h, --help           Print this text
  -v, --version        Print the version
`
