package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// carryOut runs a verb. It gets a copy of c, as its options hold for it alone.
func (c *control) carryOut(ctx context.Context, verb *command, args []string) int {
	own := *c
	own.verb = verb
	return verb.run(ctx, &own, args)
}

// flags returns the options that all verbs know. A verb adds its own and calls
// parse.
func (c *control) flags() *pflag.FlagSet {
	fs := pflag.NewFlagSet(c.verb.name, pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.BoolVarP(&c.help, "help", "h", false, "Print this text")
	fs.StringVarP(&c.ident, "ident", "i", c.ident, "Identity of the daemon, `NAME`")
	fs.StringVarP(&c.socket, "socket", "u", c.socket, "Socket of the daemon, `FILE`")
	return fs
}

// parse reads what is behind a verb. Options may stand anywhere. It returns the
// other words, and whether to go on: if not, the exit code is code.
func (c *control) parse(fs *pflag.FlagSet, args []string) (words []string, code int, goOn bool) {
	if err := fs.Parse(args); err != nil {
		c.complain(sentence(complaint(err)))
		c.complain(fmt.Sprintf("Try \"%s help %s\"", program, c.verb.name))
		return nil, 1, false
	}
	if c.help {
		io.WriteString(c.stdout, c.verb.help()+"\nOptions:\n"+fs.FlagUsages())
		return nil, 0, false
	}
	c.socketSaid = c.socketSaid || fs.Changed("socket")
	return fs.Args(), 0, true
}

// state asks the daemon for its state, as far as it is about some flows: a daemon that
// is older than that tells of all. What to complain about comes line by line.
func (c *control) state(ctx context.Context, about view.About) (*view.State, []string) {
	var text bytes.Buffer
	if complaints := c.ask(ctx, ipc.Request{Command: ipc.State, Args: about.Words()}, &text); len(complaints) > 0 {
		return nil, complaints
	}
	var s view.State
	if err := json.Unmarshal(text.Bytes(), &s); err != nil {
		return nil, []string{"Failed reading the daemon's state: " + err.Error()}
	}
	return &s, nil
}
