package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/cmd/internal/sight"
)

// command is a word that the program knows.
type command struct {
	name    string
	letter  ipc.Command // 0: not for the daemon
	minArgs int
	args    string // synopsis
	text    string // what it does, one line
	example string // arguments

	// A verb: a command that is carried out here, with options of its own behind
	// its name. It gets a copy of the control, and returns the exit code.
	run func(ctx context.Context, c *control, args []string) int
}

// commands are in the order in which an abbreviation finds them. What SMCRoute
// does not have comes last, so that its words keep their abbreviations.
var commands = []command{
	{"help", 0, 0, "[COMMAND]", "Explain a command, or list all", "add", nil},
	{"version", 0, 0, "", "Print the version and where to report bugs", "", nil},
	{"flush", ipc.Flush, 0, "", "Forget learned routes that have been idle", "", nil},
	{"kill", ipc.Kill, 0, "", "End the daemon", "", nil},
	{"reload", ipc.Reload, 0, "", "Read the configuration file again, as SIGHUP does", "", nil},
	{"restart", ipc.Reload, 0, "", "Same as reload", "", nil},
	{"show", ipc.Show, 0, "[groups | interfaces | pending | routes]", "List routes or something else", "groups", nil},
	{"add", ipc.Add, 3, "IIF [SOURCE[/LEN]] GROUP[/LEN] OIF...", "Add a route, or outbound interfaces to a route", "eth0 192.0.2.42 225.1.2.3 eth1 eth2", nil},
	{"remove", ipc.Remove, 2, "IIF [SOURCE[/LEN]] GROUP[/LEN] [OIF...]", "Remove a route, or some of its outbound interfaces", "eth0 192.0.2.42 225.1.2.3", nil},
	{"del", ipc.Remove, 2, "IIF [SOURCE[/LEN]] GROUP[/LEN] [OIF...]", "Same as remove", "eth0 192.0.2.42 225.1.2.3", nil},
	{"join", ipc.Join, 2, "IIF [SOURCE[/LEN]] GROUP[/LEN]", "Join a group on an interface", "eth0 225.1.2.3", nil},
	{"leave", ipc.Leave, 2, "IIF [SOURCE[/LEN]] GROUP[/LEN]", "Leave a group that was joined with the same arguments", "eth0 225.1.2.3", nil},
	{"routes", 0, 0, pick, sight.Routes.About(), example, look(sight.Routes)},
	{"flows", 0, 0, pick, sight.Flows.About(), example, look(sight.Flows)},
	{"top", 0, 0, pick, sight.Top.About(), example, look(sight.Top)},
	{"tree", 0, 0, pick, sight.Tree.About(), example, look(sight.Tree)},
	{"watch", 0, 0, pick, sight.Watch.About(), example, look(sight.Watch)},
	{"state", 0, 0, pick, "Print the state of the router as a JSON document", example, printState},
	{"doctor", 0, 0, "[GROUP [SOURCE]]", "Find out why a stream does not arrive", "239.1.1.1", examine},
	{"trace", 0, 1, "GROUP [SOURCE] [--for TIME] [-o FORMAT]", "Follow a stream through this node: where packets are lost", "239.1.1.1 --for 10s", runTrace},
	{"completion", 0, 1, "bash | zsh | fish", "Print a script that has the shell complete the command line", "bash", nil},
	{"__complete", 0, 0, "", "", "", nil}, // what that asks
}

// What verbs that look at the router take, and an example of it.
const (
	pick    = "[[SOURCE[/LEN]] GROUP[/LEN]]"
	example = "225.1.2.0/24"
)

// What is behind mroute, and behind mgroup, in smcroute.conf.
const (
	joinLine  = "from IIF [source SOURCE[/LEN]] group GROUP[/LEN]"
	routeLine = "from IIF [source SOURCE[/LEN]] group GROUP[/LEN] [except LIST] [native | learn] [flows N] [to OIF...]"
)

// line is what the command takes of a line of smcroute.conf; "" if it takes none.
func (c *command) line() string {
	switch c.letter {
	case ipc.Add, ipc.Remove:
		return routeLine
	case ipc.Join, ipc.Leave:
		return joinLine
	}
	return ""
}

// findCommand returns the first command that word abbreviates. As in SMCRoute
// a word that is longer will do, too: "showing" is show.
func findCommand(word string) (*command, error) {
	i := slices.IndexFunc(commands, func(c command) bool {
		n := min(len(word), len(c.name))
		return n > 0 && word[:n] == c.name[:n]
	})
	if i < 0 {
		return nil, fmt.Errorf("unknown command %q, try \"%s help\"", word, program)
	}
	return &commands[i], nil
}

// check returns an error if there are too few arguments.
func (c *command) check(args []string) error {
	if len(args) < c.minArgs {
		return fmt.Errorf("not enough arguments to command %s: found %d, expected %d at least", c.name, len(args), c.minArgs)
	}
	return nil
}

// request is what the daemon gets to hear.
func (c *command) request(args []string, o *options) ipc.Request {
	r := ipc.Request{Command: c.letter, Args: args}
	switch {
	case r.Command != ipc.Show:
	case o.json:
		r.Command = ipc.ShowJSON
	case o.detail:
		r.Command = ipc.ShowDetail
	}
	return r
}
