package main

import (
	"fmt"
	"strings"

	"github.com/smcroute/kube-smcroute/cmd/internal/install"
)

// usage is the text of -h and help.
func usage() string {
	var b strings.Builder
	fmt.Fprintf(&b, `Usage:
  %s [-bdhjptv] [-i NAME] [-u FILE] [COMMAND [ARGUMENT...]]

Options:
  -b, --batch         Read commands from standard input, one a line
  -d, --detail        Show more: packets and bytes of routes, single memberships
  -h, --help          Print this text
  -i, --ident NAME    Identity of the daemon, default: %s
  -j, --json          Show as JSON
  -p, --plain         Draw headings without escape sequences
  -t, --no-headings   Draw no headings
  -u, --socket FILE   Socket of the daemon, default: %s
  -v, --version       Print the version

Commands, which may be abbreviated:
`, program, install.Ident, install.SocketPath(install.Ident))
	for i := range commands {
		if commands[i].text != "" {
			fmt.Fprintf(&b, "  %-10s %s\n", commands[i].name, commands[i].text)
		}
	}
	b.WriteString("\nArguments:\n")
	for i := range commands {
		if commands[i].args != "" {
			fmt.Fprintf(&b, "  %-10s %s\n", commands[i].name, commands[i].args)
		}
	}
	fmt.Fprintf(&b, "\nTo add, remove and del also what is behind mroute in smcroute.conf:\n  %s\nTo join and leave what is behind mgroup:\n  %s\n", routeLine, joinLine)
	b.WriteString(`
Packets come in at IIF and leave through each OIF. Both are names of interfaces,
or patterns: "eth+" stands for eth0, eth15 and so on. Without a command: show.
`)
	return b.String()
}

// help is the text of "help COMMAND".
func (c *command) help() string {
	line := func(args string) string {
		return strings.TrimSpace(program + " " + c.name + " " + args)
	}
	usage := line(c.args)
	if c.line() != "" {
		usage += "\n  " + line(c.line())
	}
	text := fmt.Sprintf("Usage:\n  %s\n\n%s.\n", usage, c.text)
	if c.example != "" {
		text += fmt.Sprintf("\nExample:\n  %s\n", line(c.example))
	}
	return text
}
