package ipc

import "fmt"

// Command is the letter of a request.
type Command byte

// The commands.
const (
	Add        Command = 'a' // IIF [SOURCE[/LEN]] GROUP[/LEN] OIF...
	Remove     Command = 'r' // IIF [SOURCE[/LEN]] GROUP[/LEN] [OIF...]
	Join       Command = 'j' // IIF [SOURCE[/LEN]] GROUP[/LEN]
	Leave      Command = 'l' // IIF [SOURCE[/LEN]] GROUP[/LEN]
	Flush      Command = 'F'
	Reload     Command = 'H'
	Kill       Command = 'k'
	Show       Command = 's' // [groups | interfaces | pending | routes]
	ShowDetail Command = 'S' // as Show
	ShowJSON   Command = 'J' // as Show
	State      Command = 'D' // [[SOURCE[/LEN]] GROUP[/LEN]]: a document of package view, about these flows or all; older daemons tell of all
)

var commandNames = map[Command]string{
	Add: "add", Remove: "remove", Join: "join", Leave: "leave",
	Flush: "flush", Reload: "reload", Kill: "kill",
	Show: "show", ShowDetail: "show in detail", ShowJSON: "show as JSON", State: "state",
}

// Known reports whether c is one of the constants.
func (c Command) Known() bool { _, ok := commandNames[c]; return ok }

// Shows reports whether c asks for a listing, so that text in a reply is no failure.
func (c Command) Shows() bool { return c == Show || c == ShowDetail || c.showsJSON() }

// showsJSON reports whether the listing is a JSON object.
func (c Command) showsJSON() bool { return c == ShowJSON || c == State }

// String returns the command's name, or its letter if it has none.
func (c Command) String() string {
	if name, ok := commandNames[c]; ok {
		return name
	}
	return fmt.Sprintf("%q", byte(c))
}
