// Mcast sends and receives numbered multicast packets, to see whether a network
// carries them, how many are lost, and with which TTL they arrive; see mcast(1).
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

const program = "mcast"

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1  // the system refused something, or packets did not come
	exitUsage   = 64 // EX_USAGE of sysexits.h
)

func main() {
	// As the first process of a container it gets no signal that it does not ask
	// for.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It ends early, with a summary, when ctx does.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	var wrong *usageError
	switch {
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "%s: %v\nTry \"%s --help\".\n", program, err, program)
		return exitUsage
	case o.help:
		io.WriteString(stdout, usage)
		return exitOK
	case o.version:
		fmt.Fprintf(stdout, "%s v%s\n", program, install.Version)
		return exitOK
	case err == nil && o.command == "send":
		err = send(ctx, o, newPrinter(stdout, o.json))
	case err == nil:
		err = receive(ctx, o, newPrinter(stdout, o.json))
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", program, err)
		return exitFailure
	}
	return exitOK
}

const usage = `Usage:
  mcast recv [-i IFACE] [-p PORT] [-n COUNT] [-d TIME] [-o FORMAT] [--source ADDR]... GROUP...
  mcast send [-i IFACE] [-p PORT] [-n COUNT] [-d TIME] [-o FORMAT] [-t TTL] [-r RATE] [-s SIZE] GROUP...

recv joins the groups and counts, for each source, what arrives, is missing, and
comes twice. send sends numbered packets to each of the groups.

Options of both:
  -i, --interface IFACE  Where to join or send; default: what the routes say
  -p, --port PORT        UDP port, default: 5004
  -n, --count COUNT      End after so many packets; default: never
  -d, --duration TIME    End after this time, as in 10s or 1m; default: never
  -o, --output FORMAT    text or json: a line a second, and a last one
  -h, --help             Print this text
  -v, --version          Print the version

Options of recv:
      --source ADDR      Join for packets of this source alone (SSM)

Options of send:
  -t, --ttl TTL          TTL or hop limit, default: 64. With 1, which is what
                         other programs send with, no router passes a packet on
  -r, --rate RATE        Packets a second, default: 10
  -s, --size SIZE        Bytes of payload of each packet, default: 64
`
