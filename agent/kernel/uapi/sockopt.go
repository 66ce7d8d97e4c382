package uapi

// Socket options of the table's owner, at level IPPROTO_IP or IPPROTO_IPV6. The
// numbers of mroute.h (MRT_*) and mroute6.h (MRT6_*) are the same.
const (
	MRTInit        = 200 // MRT_INIT: int 1
	MRTDone        = 201 // MRT_DONE: no value
	MRTAddVIF      = 202 // MRT_ADD_VIF: vifctl; MRT6_ADD_MIF: mif6ctl
	MRTDelVIF      = 203 // MRT_DEL_VIF: vifctl; MRT6_DEL_MIF: mifi_t
	MRTAddMFC      = 204 // MRT_ADD_MFC: mfcctl or mf6cctl
	MRTDelMFC      = 205 // MRT_DEL_MFC: mfcctl or mf6cctl
	MRTVersion     = 206 // MRT_VERSION: int, read only
	MRTAssert      = 207 // MRT_ASSERT: int
	MRTPIM         = 208 // MRT_PIM: int
	MRTTable       = 209 // MRT_TABLE: u32, before MRT_INIT
	MRTAddMFCProxy = 210 // MRT_ADD_MFC_PROXY
	MRTDelMFCProxy = 211 // MRT_DEL_MFC_PROXY
	MRTFlush       = 212 // MRT_FLUSH: int of MRT_FLUSH_* bits
)

// MRTFlushAll is the value of MRT_FLUSH that empties a table: MRT_FLUSH_MFC |
// MRT_FLUSH_MFC_STATIC | MRT_FLUSH_VIFS | MRT_FLUSH_VIFS_STATIC. Those of IPv6 are the same.
const MRTFlushAll = 15

// Requests of ioctl. The numbers serve both families.
const (
	SIOCGetVIFCnt = 0x89e0 // SIOCGETVIFCNT: sioc_vif_req; SIOCGETMIFCNT_IN6
	SIOCGetSGCnt  = 0x89e1 // SIOCGETSGCNT: sioc_sg_req; SIOCGETSGCNT_IN6: sioc_sg_req6
)

// The highest table ids that MRT_TABLE and MRT6_TABLE take: the names of their devices,
// pimregID and pim6regID, have room for no more digits.
const (
	MaxTable4 = 999_999_999
	MaxTable6 = 99_999_999
)

// The tables that a socket without MRT_TABLE has, as rtnetlink numbers them.
const (
	DefaultTable4 = 253 // RT_TABLE_DEFAULT
	DefaultTable6 = 254 // RT6_TABLE_DFLT, which is RT_TABLE_MAIN
)

// Options for group membership (linux/in.h), at level IPPROTO_IP or IPPROTO_IPV6.
const (
	MCastJoinGroup        = 42 // MCAST_JOIN_GROUP: group_req
	MCastLeaveGroup       = 45 // MCAST_LEAVE_GROUP: group_req
	MCastJoinSourceGroup  = 46 // MCAST_JOIN_SOURCE_GROUP: group_source_req
	MCastLeaveSourceGroup = 47 // MCAST_LEAVE_SOURCE_GROUP: group_source_req
)
