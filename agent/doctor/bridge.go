package doctor

import (
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
)

// readBridges reads who joined groups behind bridges ("bridge mdb").
func (l *look) readBridges() {
	bridges := map[string]*diagnose.Bridge{}
	for i := range l.Links {
		if l.Links[i].Bridge != nil {
			bridges[l.Links[i].Name] = l.Links[i].Bridge
		}
	}
	if len(bridges) == 0 {
		return
	}
	request := nl.NewNetlinkRequest(unix.RTM_GETMDB, unix.NLM_F_DUMP)
	request.AddData(portMsg{})
	messages, err := request.Execute(unix.NETLINK_ROUTE, 0)
	if err != nil {
		l.unseen("members behind bridges", err)
		return
	}
	for _, m := range messages {
		mdb := decodeMDB(m)
		b := bridges[l.names[mdb.bridge]]
		if b == nil {
			continue
		}
		for _, member := range mdb.members {
			b.Members = append(b.Members, diagnose.Member{Port: l.names[member.port], Group: member.group, Source: member.source})
		}
		for _, port := range mdb.routers {
			b.Routers = append(b.Routers, l.names[port])
		}
	}
}

// portMsg is struct br_port_msg of linux/if_bridge.h, for all bridges.
type portMsg struct{}

func (portMsg) Len() int          { return sizeofPortMsg }
func (portMsg) Serialize() []byte { return []byte{unix.AF_BRIDGE, 0, 0, 0, 0, 0, 0, 0} }

// Sizes and attributes of linux/if_bridge.h.
const (
	sizeofPortMsg  = 8
	sizeofMDBEntry = 28 // struct br_mdb_entry

	mdbaMDB    = 1 // MDBA_MDB, of MDBA_MDB_ENTRY, of MDBA_MDB_ENTRY_INFO
	mdbaRouter = 2 // MDBA_ROUTER, of MDBA_ROUTER_PORT
	mdbaSource = 4 // MDBA_MDB_EATTR_SOURCE
)

// mdb is what one bridge knows.
type mdb struct {
	bridge  int // index
	members []member
	routers []int
}

type member struct {
	port          int
	group, source netip.Addr
}

// decodeMDB reads the payload of an RTM_NEWMDB. What makes no sense is left out.
func decodeMDB(m []byte) (d mdb) {
	if len(m) < sizeofPortMsg {
		return d
	}
	d.bridge = int(attribute(m[4:]).uint32())
	for _, a := range attribute(m[sizeofPortMsg:]).list() {
		for _, inside := range a.value.list() {
			switch a.kind {
			case mdbaRouter:
				if len(inside.value) >= 4 {
					d.routers = append(d.routers, int(inside.value.uint32()))
				}
			case mdbaMDB:
				for _, info := range inside.value.list() {
					if e, ok := decodeMember(info.value); ok {
						d.members = append(d.members, e)
					}
				}
			}
		}
	}
	return d
}

// decodeMember reads a struct br_mdb_entry and its attributes.
func decodeMember(v attribute) (e member, ok bool) {
	if len(v) < sizeofMDBEntry {
		return e, false
	}
	e.port = int(v.uint32())
	source := v[sizeofMDBEntry:].nested()[mdbaSource]
	length := 4
	switch proto := uint16(v[24])<<8 | uint16(v[25]); proto {
	case unix.ETH_P_IP:
	case unix.ETH_P_IPV6:
		length = 16
	default:
		return e, false // of Ethernet
	}
	e.group, _ = netip.AddrFromSlice(v[8 : 8+length])
	if len(source) == length {
		e.source, _ = netip.AddrFromSlice(source)
		if e.source.IsUnspecified() {
			e.source = netip.Addr{}
		}
	}
	return e, true
}
