package diagnose

// ID is a word for a kind of finding. Words never change their meaning.
type ID string

// The kinds, in the order of the way that packets take.
const (
	NotRunning       ID = "daemon_not_running"     // nobody answers at the socket
	NotPermitted     ID = "socket_permission"      // the socket may not be used
	TableInUse       ID = "table_in_use"           // another program has the kernel's table
	LinkLocalGroup   ID = "link_local_group"       // no router forwards the group
	NoRule           ID = "no_rule"                // no rule takes the flow
	RulePending      ID = "rule_pending"           // the kernel has not what the rule asks for
	VIFTableFull     ID = "vif_table_full"         // the kernel's table has no room for an interface
	InterfaceMissing ID = "interface_missing"      // there is no such interface
	InterfaceDown    ID = "interface_down"         // it is down, or has no carrier
	NoMulticast      ID = "no_multicast"           // it lacks the flag MULTICAST
	NoAddress        ID = "no_address"             // it has no address to ask for the group with
	InterfaceIsPort  ID = "interface_is_port"      // packets arrive on the bridge that it is a port of
	MembershipLimit  ID = "igmp_max_memberships"   // a socket may not join more groups
	WrongInterface   ID = "wrong_interface"        // packets arrive elsewhere
	SenderLoopOff    ID = "sender_loop_off"        // a sender on the node keeps its packets from the router
	NoPackets        ID = "no_packets"             // none arrives
	NotJoined        ID = "not_joined"             // the group is not asked for where it should arrive
	NoQuerier        ID = "no_querier"             // a snooping bridge forgets who joined
	StopFilter       ID = "stop_filter"            // an entry of the kernel stops the flow
	FlowLimit        ID = "flow_limit"             // as many flows are learned as may be
	SentElsewhere    ID = "table_rule"             // a rule of the kernel leads packets to another table, or drops them
	BadChecksum      ID = "bad_checksum"           // headers arrive damaged
	RPFilter         ID = "rp_filter"              // the source is expected on another interface
	NoRouteToSource  ID = "no_route_to_source"     // the source is expected nowhere
	DroppedInbound   ID = "dropped_before_routing" // packets arrive, and the router does not get them
	NoOutput         ID = "no_output"              // the rule has no outputs
	TTLTooLow        ID = "ttl_too_low"            // packets may not go on to the next network
	TooLarge         ID = "larger_than_mtu"        // packets do not fit
	FirewallDrop     ID = "firewall_drop"          // a filter drops them
	ConntrackFull    ID = "conntrack_full"         // the table of connections is full
	CNIDrop          ID = "cni_drop"               // a program on an interface drops them
	DroppedOutbound  ID = "dropped_after_routing"  // packets were routed, and do not leave
	SourceTranslated ID = "source_translated"      // they leave with another source
	MacvlanChild     ID = "macvlan_child"          // pods that never hear what the node sends
	NoMember         ID = "snooping_no_member"     // a snooping bridge has nobody to give them to
	ReceiverNotJoin  ID = "receiver_not_joined"    // no program behind the output joined
	ReceiverLimit    ID = "receiver_max_memberships"
	JoinedElsewhere  ID = "joined_elsewhere"   // it joined on another interface
	ReceiverRPFilter ID = "receiver_rp_filter" // its namespace drops the source
	NICDrops         ID = "nic_drops"          // an interface drops packets
)
