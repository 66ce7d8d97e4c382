package show

import "github.com/smcroute/kube-smcroute/agent/mroute"

// What is the subject of a listing.
type What uint8

const (
	// Routes are the rules and the forwarding cache.
	Routes What = iota
	// Groups are the memberships.
	Groups
	// Interfaces are the links with their numbers in the two tables.
	Interfaces
	// Pending are the lines that are not wholly in the kernel.
	Pending
)

// ParseWhat returns what the arguments of a show command ask for. As in
// SMCRoute only the first letter of the first one counts: g, i or p; anything
// else, or nothing, means routes.
func ParseWhat(args []string) What {
	if len(args) == 0 || args[0] == "" {
		return Routes
	}
	switch args[0][0] {
	case 'g':
		return Groups
	case 'i':
		return Interfaces
	case 'p':
		return Pending
	}
	return Routes
}

// Text returns the listing of what as text, detailed or brief. It is empty, or
// ends in a newline.
func Text(snap *mroute.Snapshot, what What, detail bool) string {
	switch what {
	case Groups:
		return groupsText(snap, detail)
	case Interfaces:
		return interfacesText(snap)
	case Pending:
		return pendingText(snap, detail)
	}
	if detail {
		return routes(snap, Detailed)
	}
	return routes(snap, Brief)
}

// JSON returns the listing of what as one line of JSON, newline included.
func JSON(snap *mroute.Snapshot, what What) string {
	var j jsonText
	switch what {
	case Groups:
		j.groups(snap)
	case Interfaces:
		j.interfaces(snap)
	case Pending:
		j.pending(snap)
	default:
		return routes(snap, InJSON)
	}
	return string(append(j, '\n'))
}
