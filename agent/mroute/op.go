package mroute

// OpKind is the kind of a change to a kernel table.
type OpKind uint8

// The changes, in the order in which a plan may hold them.
const (
	AddVIF     OpKind = iota + 1 // VIF, Link
	DelVIF                       // VIF
	SetMFC                       // SG, Entry: add, or replace in place keeping the counters
	DelMFC                       // SG
	JoinGroup                    // SG (zero Source: any), Link
	LeaveGroup                   // SG, Link
)

// String returns the name of the constant.
func (k OpKind) String() string {
	switch k {
	case AddVIF:
		return "AddVIF"
	case DelVIF:
		return "DelVIF"
	case SetMFC:
		return "SetMFC"
	case DelMFC:
		return "DelMFC"
	case JoinGroup:
		return "JoinGroup"
	case LeaveGroup:
		return "LeaveGroup"
	}
	return "unknown op"
}

// LinkRef names a link by index; the name is for messages only.
type LinkRef struct {
	Index int
	Name  string
}

// Op is one change to a kernel table. Which fields count depends on Kind.
type Op struct {
	Kind   OpKind
	Family Family
	VIF    VIF
	Link   LinkRef
	SG     SG
	Entry  Entry
}
