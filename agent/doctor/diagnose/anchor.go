package diagnose

// Doc is where the documentation has more of a kind of finding.
func (id ID) Doc() string { return "docs/doctor.md#" + string(id) }

// IDs are all kinds, in the order of the way that packets take.
func IDs() []ID {
	return []ID{
		NotRunning, NotPermitted, TableInUse,
		LinkLocalGroup, NoRule, RulePending, VIFTableFull, FlowLimit,
		InterfaceMissing, InterfaceDown, NoMulticast, InterfaceIsPort, NoAddress, MembershipLimit,
		WrongInterface, StopFilter, SenderLoopOff, NoPackets, NotJoined, NoQuerier,
		SentElsewhere, BadChecksum, NoRouteToSource, RPFilter, DroppedInbound,
		NoOutput, TTLTooLow, TooLarge, FirewallDrop, ConntrackFull, CNIDrop, DroppedOutbound, SourceTranslated,
		MacvlanChild, NoMember, ReceiverNotJoin, ReceiverLimit, JoinedElsewhere, ReceiverRPFilter,
		NICDrops,
	}
}
