package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/smcroute/kube-smcroute/agent/ipc"
)

// control is the program at work.
type control struct {
	options
	stdin          io.Reader
	stdout, stderr io.Writer

	line int      // of the batch, from 1; 0 if there is none
	verb *command // that is carried out
}

// complain prints an error.
func (c *control) complain(text string) {
	if c.line > 0 {
		text = fmt.Sprintf("line %d: %s", c.line, text)
	}
	fmt.Fprintf(c.stderr, "%s: %s\n", program, text)
}

// sentence is an error of this program's own with a capital, as its messages
// have always had.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// do carries out one command and returns its exit code.
func (c *control) do(ctx context.Context, words []string) int {
	cmd, err := findCommand(words[0])
	if err != nil {
		c.complain(sentence(err))
		return 1
	}
	args := words[1:]
	if err := cmd.check(args); err != nil {
		c.complain(sentence(err))
		if c.line == 0 {
			io.WriteString(c.stdout, cmd.help())
		}
		return 1
	}
	switch {
	case cmd.run != nil:
		return c.carryOut(ctx, cmd, args)
	case cmd.name == "help":
		return c.explain(ctx, args)
	case cmd.name == "completion":
		return c.printScript(args)
	case cmd.name == "__complete":
		return c.complete(ctx, args)
	case cmd.name == "version":
		io.WriteString(c.stdout, versionText())
		return 0
	}
	if complaints := c.tell(ctx, cmd.request(args, &c.options)); len(complaints) > 0 {
		for _, text := range complaints {
			c.complain(text)
		}
		return 1
	}
	return 0
}

// explain is the command help.
func (c *control) explain(ctx context.Context, args []string) int {
	if len(args) == 0 {
		io.WriteString(c.stdout, usage())
		return 0
	}
	about, err := findCommand(args[0])
	if err != nil {
		c.complain(sentence(err))
		return 1
	}
	if about.run != nil {
		return c.carryOut(ctx, about, []string{"--help"})
	}
	io.WriteString(c.stdout, about.help())
	return 0
}

// tell sends a request to the daemon and prints a listing. It returns what to
// complain about, line by line.
func (c *control) tell(ctx context.Context, req ipc.Request) []string {
	out := bufio.NewWriterSize(c.stdout, 64<<10)
	listing := &listing{out: out, headings: c.headings()}
	complaints := c.ask(ctx, req, listing)
	listing.end()
	if err := out.Flush(); err != nil {
		return []string{"Failed writing the listing: " + err.Error()}
	}
	return complaints
}

// ask sends a request to the daemon. A listing goes to out. It returns what to
// complain about, line by line.
func (c *control) ask(ctx context.Context, req ipc.Request, out io.Writer) []string {
	client, err := ipc.Dial(ctx, c.socketPath())
	if err != nil {
		return c.noConnection(err)
	}
	defer client.Close()

	err = client.Do(ctx, req, out)
	var refusal *ipc.Refusal
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal):
		return []string{refusal.Error()}
	case errors.Is(err, ipc.ErrTooLong):
		return []string{"Failed constructing IPC command: " + err.Error()}
	}
	return []string{"Failed talking to daemon: " + err.Error()}
}

// noConnection says why there is no connection.
func (c *control) noConnection(err error) []string {
	var errno syscall.Errno
	reason := err.Error()
	if errors.As(err, &errno) && errno != syscall.EINVAL { // that is not about the file
		reason = errno.Error()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		lines := []string{"Cannot find IPC socket " + c.socketPath()}
		if c.socketSaid {
			return append(lines, "Failed connecting to daemon: "+reason)
		}
		return append(lines, "Daemon may be running with another -i NAME")
	case errors.Is(err, fs.ErrPermission):
		return []string{"Need root privileges to connect to daemon"}
	case errors.Is(err, ipc.ErrNotRunning):
		return []string{"Daemon not running"}
	}
	return []string{"Failed connecting to daemon: " + reason}
}
