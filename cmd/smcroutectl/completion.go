package main

import (
	"context"
	"embed"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/agent/draw"
	"github.com/smcroute/kube-smcroute/agent/view"
)

//go:embed completion
var scripts embed.FS

// shells are those that there is a script for.
var shells = []string{"bash", "zsh", "fish"}

// printScript is the command completion.
func (c *control) printScript(args []string) int {
	if len(args) != 1 || !slices.Contains(shells, args[0]) {
		c.complain(fmt.Sprintf("Command completion needs one of %s", strings.Join(shells, ", ")))
		return 1
	}
	script, err := scripts.ReadFile("completion/smcroutectl." + args[0])
	if err != nil {
		panic(err) // it is embedded
	}
	if _, err := c.stdout.Write(script); err != nil {
		c.complain("Failed writing the script: " + err.Error())
		return 1
	}
	return 0
}

// completionTime is how long a person who has pressed a key waits for a daemon.
const completionTime = time.Second

// complete is what the scripts ask: words for the last one of a command line, one a
// line. It says nothing of errors.
func (c *control) complete(ctx context.Context, line []string) int {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	if len(line) == 0 {
		return 0
	}
	before, current := line[:len(line)-1], line[len(line)-1]
	words, err := c.options.read(before, false)
	if err != nil {
		return 0 // as behind -i, which has no candidates
	}
	for _, word := range c.candidates(ctx, words) {
		if strings.HasPrefix(word, current) && safe.MatchString(word) {
			io.WriteString(c.stdout, word+"\n")
		}
	}
	return 0
}

// safe words mean nothing to a shell.
var safe = regexp.MustCompile(`^[A-Za-z0-9._:@/+-]+$`)

// candidates are all words that may follow the command and its arguments.
func (c *control) candidates(ctx context.Context, words []string) []string {
	if len(words) == 0 {
		return names()
	}
	cmd, err := findCommand(words[0])
	if err != nil {
		return nil
	}
	args := words[1:]
	last := words[len(words)-1]
	switch {
	case cmd.name == "help":
		return names()
	case cmd.name == "completion":
		return shells
	case cmd.name == "show":
		return []string{"groups", "interfaces", "pending", "routes"}
	case last == "-o" || last == "--output":
		return []string{string(draw.JSON), string(draw.YAML), string(draw.Wide)}
	case cmd.args == "" || cmd.args == "[COMMAND]":
		return nil
	}
	s, complaints := c.state(ctx, view.About{})
	if len(complaints) > 0 {
		return nil
	}
	switch {
	case !strings.HasPrefix(cmd.args, "IIF"):
		return addresses(s)
	case len(args) == 0 && cmd.line() != "":
		return append(interfaces(s), "from")
	case len(args) == 0, cmd.line() != "" && len(args) == 1 && args[0] == "from":
		return interfaces(s)
	case cmd.line() != "" && args[0] == "from":
		return clauses(s, cmd, args)
	case len(args) == 1:
		return addresses(s)
	}
	return append(addresses(s), interfaces(s)...)
}

// clauses are the words that may follow those of a line of smcroute.conf.
func clauses(s *view.State, cmd *command, args []string) []string {
	switch last := args[len(args)-1]; {
	case slices.Contains(args, "to"):
		return interfaces(s)
	case last == "source", last == "group", last == "except":
		return addresses(s)
	case last == "flows":
		return nil
	}
	words := []string{"source", "group", "except", "native", "learn", "flows", "to"}
	if cmd.line() == joinLine {
		words = words[:2]
	}
	return slices.DeleteFunc(words, func(word string) bool { return slices.Contains(args, word) })
}

// names are those of commands that people give.
func names() (all []string) {
	for i := range commands {
		if commands[i].text != "" {
			all = append(all, commands[i].name)
		}
	}
	return all
}

func interfaces(s *view.State) (all []string) {
	for i := range s.Links {
		all = append(all, s.Links[i].Name)
	}
	return all
}

// addresses are the sources and groups that the daemon knows of.
func addresses(s *view.State) []string {
	all := map[string]bool{}
	add := func(source, group view.Net) {
		all[source.String()] = true
		all[group.String()] = true
	}
	for i := range s.Rules {
		add(s.Rules[i].Source, s.Rules[i].Group)
	}
	for i := range s.Flows {
		add(s.Flows[i].Source, s.Flows[i].Group)
	}
	for i := range s.Groups {
		add(s.Groups[i].Source, s.Groups[i].Group)
	}
	return slices.Sorted(maps.Keys(all))
}
