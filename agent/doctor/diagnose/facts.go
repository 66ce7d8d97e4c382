package diagnose

import (
	"net/netip"
	"time"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// Facts are all that is known of a node. What could not be read is in Unseen,
// and its field is empty.
type Facts struct {
	Source, Group netip.Addr    // what is asked for; invalid: any, all
	Time          time.Time     // when the observation ended
	Window        time.Duration // how long it took, at least

	Daemon        Daemon
	Before, After *view.State // at both ends of the window; nil if the daemon does not answer
	Left          int         // rules and pending lines that are not in After, as they are beyond [MaxFlows]

	Links      []Link
	Sysctls    map[string]string // below net, with dots: "ipv4.conf.all.rp_filter"
	Routes     []Route
	TableRules []TableRule
	Joined     []view.Membership // of any program, as the kernel lists them
	Thresholds []Threshold
	Risen      map[string]uint64 // the kernel's counters that rose within the window, by nstat's names: "IpFragFails"
	Chains     []Chain
	Owners     []Process // that have a raw socket of IGMP or ICMPv6, and could have the tables
	Receivers  []Receiver

	Captured bool // Seen is what there was
	Seen     []Seen

	Unseen []Unseen
}

// Daemon is how the router was reached.
type Daemon struct {
	Socket  string // its path, or ""
	Error   string // why it did not answer; "": it did
	Refused bool   // the socket may not be used
}

// Link is an interface.
type Link struct {
	Index      int
	Name, Kind string // Kind as "ip -d link" has it: "veth", "bridge"
	Master     string // what it is a port of, or ""
	Slave      string // kind of the master: "bridge", "bond", "team", "vrf"
	Up         bool   // the flag UP
	Carrier    bool   // the flag LOWER_UP
	Multicast  bool
	MTU        int // bytes
	Addrs      []netip.Prefix
	Risen      map[string]uint64 // counters of the interface that rose within the window: "rx_dropped"
	Bridge     *Bridge           // of a bridge
	Port       *Port             // of a port of a bridge
	Peer       string            // the other end of a veth pair, if it is in this namespace
	Children   []string          // macvlan interfaces on it, those in other namespaces by number
	Programs   []Program
}

// Bridge is what a bridge does about multicast.
type Bridge struct {
	Snooping bool
	Querier4 bool // somebody asks who listens, of IPv4, the bridge itself or another
	Querier6 bool
	Members  []Member
	Routers  []string // ports that routers are behind: they get all groups
}

// Member is a port behind which somebody joined a group.
type Member struct {
	Port   string // the bridge's own name: the node itself
	Group  netip.Addr
	Source netip.Addr // invalid: any
}

// Port is a port of a bridge.
type Port struct {
	Flood bool // it gets groups that nobody joined, where nobody asks
}

// Program is something on an interface that may drop packets, outside of
// netfilter.
type Program struct {
	Out  bool   // of packets that leave
	Kind string // "tc bpf", "tc u32", "xdp", "tcx"
	Name string
}

// Route is where packets to the source of a flow would go.
type Route struct {
	To   netip.Addr
	Link string // "": nowhere
	Why  string // there is none
}

// TableRule is a rule that leads packets to a multicast routing table ("ip mrule").
type TableRule struct {
	Six      bool
	Priority uint32
	Not      bool // it is for all packets but those of its interfaces
	IIF, OIF string
	Selector string // what else it asks for, or ""
	Table    uint32
	Action   string // Lookup, or a word for dropping: "blackhole", "unreachable", "prohibit"
	Goto     uint32 // if it leads to another rule behind it, the priority of that; Action is none
}

// Lookup is the action of a rule that leads packets to its table.
const Lookup = "lookup"

// Threshold is the lowest TTL with which packets of an entry do not leave by an
// interface, plus one: see [mroute.Threshold].
type Threshold struct {
	Source, Group netip.Addr
	Link          string
	TTL           uint8
}

// Chain is a chain of netfilter by which packets of multicast may come.
type Chain struct {
	Family string // "ip", "ip6", "inet", "bridge", "netdev"
	Table  string
	Name   string
	Hook   string // "prerouting", "forward", "postrouting", "ingress", "egress"; "": others lead to it
	Link   string // of a chain of netdev
	Drops  bool   // its policy
	Rules  []Rule // that may drop, in order
}

// Rule is one that may drop packets.
type Rule struct {
	Number  int    // in its chain, from 1
	Handle  uint64 // in its table
	Verdict string // "drop", "reject"
	Counts  bool   // it has a counter
	Risen   uint64 // packets that it counted within the window
}

// Process is a program that runs.
type Process struct {
	PID  int
	Name string
	Six  bool // it has the socket of IPv6's table
}

// Receiver is a network namespace behind an interface of the node, as a pod has.
type Receiver struct {
	Link    string // of the node: the veth, or the port of a bridge
	Name    string // for a person: "PID 17, player"
	Inside  string // name of the interface inside
	Joined  []view.Membership
	Sysctls map[string]string // as in Facts
	Route   map[netip.Addr]string
	Known   bool // its memberships are
}

// Seen is what a capture saw of a flow on one interface, in one direction.
type Seen struct {
	Index    int // of the link
	Link     string
	Out      bool
	Source   netip.Addr
	Group    netip.Addr
	Packets  uint64
	TTLMin   uint8 // or hop limit
	TTLMax   uint8
	LargestB int // bytes of the largest packet, with its IP header
}
