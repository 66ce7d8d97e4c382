package view

import (
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// State is the state of the router in one table of one network namespace, at one
// moment.
type State struct {
	Version string `json:"version"`         // of the program
	Table   uint32 `json:"table"`           // number of the multicast routing table; 0: the default one
	NetNS   string `json:"netns,omitempty"` // path of its network namespace; "": the program's own

	Rules []Rule `json:"rules"` // one for each inbound interface, in order
	Flows []Flow `json:"flows"` // entries of the forwarding cache, in order of insertion

	Time    time.Time    `json:"time"`    // when the state was taken, all of it
	Foreign []Flow       `json:"foreign"` // entries of another program, by (S,G)
	Groups  []Membership `json:"groups"`  // memberships as they are asked for
	Joined  []Membership `json:"joined"`  // every single membership that the kernel holds
	Links   []Link       `json:"links"`   // all interfaces of the namespace, by index
	Pending []Pending    `json:"pending"` // what is not wholly in the kernel
	Tables  []uint32     `json:"tables"`  // in use beside Table, ascending
	Counts  Counts       `json:"counts"`  // of the router as a whole
	Limits  []Limit      `json:"limits"`  // of rules with a limit of their own
	Sizes   *Sizes       `json:"sizes,omitempty"`
}

// Sizes are how much the router has, whatever is in the document: see [mroute.Sizes].
type Sizes struct {
	Rules int `json:"rules"`
	Flows int `json:"flows"`
}

// InAll is how many rules and flows the router has. An older program does not say, but
// has all in its documents.
func (s *State) InAll() (rules, flows int) {
	if s.Sizes == nil {
		return len(s.Rules), len(s.Flows)
	}
	return s.Sizes.Rules, s.Sizes.Flows
}

// Rule is a rule on one inbound interface.
type Rule struct {
	Source Net      `json:"source,omitzero"` // none: any
	Group  Net      `json:"group"`
	Except []Net    `json:"except,omitempty"` // sources that it is not for
	IIF    string   `json:"iif"`
	OIFs   []string `json:"oifs"`
	Origin Origin   `json:"origin"`

	Traffic // of the entry with this very (S,G) or (*,G); zero if there is none
}

// Flow is an entry of the forwarding cache.
type Flow struct {
	Source  Net      `json:"source,omitzero"` // none: (*,G), forwarded natively
	Group   Net      `json:"group"`
	Kind    Kind     `json:"kind"`
	IIF     string   `json:"iif,omitempty"` // none: of an interface that is gone
	OIFs    []string `json:"oifs"`
	Refused bool     `json:"refused,omitempty"` // a stop filter for lack of room, see [Counts]
	Adopted bool     `json:"adopted,omitempty"` // the process before this one left it
	Table   uint32   `json:"table,omitempty"`   // of [State.Tables] that it is in; 0: [State.Table]
	Origins []Origin `json:"origins,omitempty"` // of the rules that make it leave through OIFs

	Traffic
}

// Kind says why an entry is there: see [mroute.EntryKind].
type Kind string

// The kinds. Those in [State.Foreign] have none.
const (
	Static     Kind = "static"
	Learned    Kind = "learned"
	StopFilter Kind = "stop-filter"
)

// Traffic is the kernel's counts of one entry, and its times.
type Traffic struct {
	Packets uint64  `json:"packets"`
	Bytes   uint64  `json:"bytes"`
	WrongIf uint64  `json:"wrong_if"` // packets that arrived on another interface than the IIF; part of Packets
	Age     Seconds `json:"age"`      // since it was installed, or found; of a rule without an entry of its own it is unknown, as is Idle
	Idle    Seconds `json:"idle"`     // since it was last used; unknown if there was no packet
}

// Membership is a group that is joined on an interface.
type Membership struct {
	Source Net    `json:"source,omitzero"` // none: any
	Group  Net    `json:"group"`
	If     string `json:"iif"`
}

// Link is an interface and its numbers in the tables of the two families.
type Link struct {
	Index     int    `json:"index"`
	Name      string `json:"name"`
	Up        bool   `json:"up"`
	Multicast bool   `json:"multicast"`
	Loopback  bool   `json:"loopback,omitempty"`
	VIF       *int   `json:"vif"` // null: none
	MIF       *int   `json:"mif"` // null: none
	Table     uint32 `json:"table,omitempty"`

	Pods []string `json:"pods,omitempty"` // behind it, "namespace/name"; of a router of Kubernetes alone
}

// Pending is a line that is not wholly in the kernel as it was asked for.
type Pending struct {
	Kind   string   `json:"kind"` // "mroute" or "mgroup"
	Source Net      `json:"source,omitzero"`
	Group  Net      `json:"group"`
	IIF    string   `json:"iif"`
	OIFs   []string `json:"oifs,omitempty"`
	Cause  string   `json:"cause"`  // a word, as in the metric smcroute_pending_rules
	Reason string   `json:"reason"` // a sentence
	Origin Origin   `json:"origin"`

	// MRules are the priorities of the rules of the kernel ("ip mrule") that lead
	// packets away, as the reason says.
	MRules []uint32 `json:"mrules,omitempty"`
}

// Diverted reports whether packets for the line are led away.
func (p *Pending) Diverted() bool { return p.Cause == mroute.CauseDiverted.String() }

// Counts are the numbers of flows that packets made entries for: see
// [mroute.FlowCounts].
type Counts struct {
	Learned int    `json:"learned"`
	Stopped int    `json:"stopped"`
	Limit   int    `json:"limit"` // 0: none
	Evicted uint64 `json:"evicted"`
	Refused uint64 `json:"refused"`
	Full    bool   `json:"full"`
}

// Limit is a rule with a limit on the flows that it learns.
type Limit struct {
	Source Net    `json:"source,omitzero"`
	Group  Net    `json:"group"`
	IIF    string `json:"iif"`
	Origin Origin `json:"origin"`
	Counts
}

// Origin is where a rule comes from.
type Origin struct {
	Ref        string `json:"ref"`                  // file, "MulticastRoute namespace/name" or the like, or "client"
	Line       int    `json:"line,omitempty"`       // in the file, from 1
	Generation int64  `json:"generation,omitempty"` // of the object
}
