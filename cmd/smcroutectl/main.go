// Smcroutectl tells smcrouted what to do, and shows what it does. It is a
// drop-in replacement for SMCRoute's program of that name; see smcroutectl(8).
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/smcroute/kube-smcroute/cmd/internal/install"
)

const program = "smcroutectl"

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program. It returns the exit code: 0, 1, or the sum of those of
// a batch.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := &control{stdin: stdin, stdout: stdout, stderr: stderr}
	words, err := c.options.parse(args)
	switch {
	case err != nil:
		c.complain(sentence(err))
		io.WriteString(stdout, usage())
		return 1
	case c.help:
		io.WriteString(stdout, usage())
		return 0
	case c.version:
		io.WriteString(stdout, versionText())
		return 0
	case c.batch:
		if len(words) > 0 {
			c.complain(fmt.Sprintf("Option -b reads commands from standard input, ignoring %q", strings.Join(words, " ")))
		}
		return c.runBatch(ctx)
	case len(words) == 0:
		words = []string{"show"}
	}
	return c.do(ctx, words)
}

func versionText() string {
	return fmt.Sprintf("%s v%s\n\nBug report address: %s\nProject homepage:   %s\n",
		program, install.Version, install.BugAddress, install.Homepage)
}
