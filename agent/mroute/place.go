package mroute

import "fmt"

// Place is where a router works: a network namespace and the number of a
// multicast routing table there.
type Place struct {
	NetNS string // path of the namespace; "": the agent's own
	ID    string // "device:inode" of the namespace, which tells a new one at an old path; "": the agent's own
	Table uint32 // 0: the default one
}

// String returns "table 0", or "table 0 of /run/netns/x".
func (p Place) String() string {
	if p.NetNS == "" {
		return fmt.Sprintf("table %d", p.Table)
	}
	return fmt.Sprintf("table %d of %s", p.Table, p.NetNS)
}
