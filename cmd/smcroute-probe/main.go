// Smcroute-probe asks a program how it is, over HTTP on a unix socket, for the
// probes of a kubelet: see smcroute-probe(8).
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
	"github.com/smcroute/kube-smcroute/cmd/internal/install"
)

const (
	// timeout is a second less than what kubelets give the probes of our
	// manifests, so that a reason is told before they lose patience.
	timeout = 4 * time.Second

	// longest is how many bytes of an answer are printed at most.
	longest = 1 << 10
)

const usage = `smcroute-probe asks smcroute-agent how it is.

Usage:
  smcroute-probe SOCKET PATH

SOCKET is the unix socket of --health-probe-bind-address=unix://SOCKET, and PATH
is /healthz or /readyz.
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the whole program: it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	switch {
	case len(args) == 1 && (args[0] == "--help" || args[0] == "-h"):
		fmt.Fprint(stdout, usage)
		return exitcode.OK
	case len(args) == 1 && args[0] == "--version":
		fmt.Fprintln(stdout, "smcroute-probe v"+install.Version)
		return exitcode.OK
	case len(args) != 2 || args[0] == "" || !path.IsAbs(args[1]):
		fmt.Fprintf(stderr, "smcroute-probe: %q: expected SOCKET /PATH, as in smcroute-probe /run/health.sock /readyz\n", args)
		return exitcode.Usage
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := probe(ctx, args[0], args[1]); err != nil {
		fmt.Fprintln(stdout, err) // which is what kubelets show
		return exitcode.Failure
	}
	return exitcode.OK
}

// probe asks for a path, which the one at the socket must answer with 200.
func probe(ctx context.Context, socket, path string) error {
	if !filepath.IsAbs(socket) {
		socket = "./" + socket // "@" would begin a name in the abstract namespace
	}
	client := http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "unix", socket)
			},
			DisableKeepAlives: true,
		},
		// What is somewhere else is no answer.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://socket"+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, longest)) // what there is of it
	return fmt.Errorf("%s: %s\n%s", path, resp.Status, body)
}
