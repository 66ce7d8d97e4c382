package interop

import "strings"

// Reasons that several differences share.
const (
	whyMessage  = "says what is wrong, where SMCRoute sends its last log message, related or not (spec 5, defect 12)"
	whyLater    = "2.6 keeps what names a missing interface until it appears; 2.5.6 refuses it"
	whyWildcard = "a wildcard leaves the inbound interface out of its own outbounds (defect 18)"
	whyExact    = "an exact rule decides alone, whether its flow was learned before it was added or not"
	whyRefusal  = "SMCRoute takes it for success although nothing was done (defect 12)"
	whyAgain    = "what a client asks for is there: no failure"
	whyStays    = "a learned entry whose rule goes becomes a stop filter in place, keeping its counters (I4); SMCRoute deletes it and learns it anew"
	whyMember   = "each line of the kernel's table is one membership, not the range that it came from"
)

// daemonDifferences are those of our daemon.
var daemonDifferences = []difference{
	{"add eth0 2001:db8::1 ff1e::2 eth2", "to B2 C2", "to C2", whyExact},
	{"", "(2001:db8::1, ff1e::2)                     eth0  eth1 eth2\n", "(2001:db8::1, ff1e::2)                     eth0  eth2\n", whyExact},
	{"-p -d show routes", "(2001:db8::1, ff1e::2)                     eth0          4        256  eth1 eth2\n", "(2001:db8::1, ff1e::2)                     eth0          4        256  eth2\n", whyExact},
	{"-td sh", "(2001:db8::1, ff1e::2)                     eth0          4        256  eth1 eth2\n", "(2001:db8::1, ff1e::2)                     eth0          4        256  eth2\n", whyExact},

	{"add eth0 192.0.2.9 225.9.9.1 eth+", "to A2 B2 C2", "to B2 C2", whyWildcard},
	{"", "(192.0.2.9, 225.9.9.1)                     eth0  eth0 eth1 eth2\n", "(192.0.2.9, 225.9.9.1)                     eth0  eth1 eth2\n", whyWildcard},
	{"-p -d show routes", "(192.0.2.9, 225.9.9.1)                     eth0          2         88  eth0 eth1 eth2\n", "(192.0.2.9, 225.9.9.1)                     eth0          2         88  eth1 eth2\n", whyWildcard},
	{"-td sh", "(192.0.2.9, 225.9.9.1)                     eth0          2         88  eth0 eth1 eth2\n", "(192.0.2.9, 225.9.9.1)                     eth0          2         88  eth1 eth2\n", whyWildcard},

	{"add nosuch 225.9.9.9 eth1", refused("ipc: mroute: inbound nosuch is not a known phyint"), accepted, whyLater},
	{"join nosuch 225.5.5.5", refused("unknown interface nosuch"), accepted, whyLater},
	{"join eth2 225.5.5.5/32", refused("Already joined (*,225.5.5.5) on eth2"), accepted, whyAgain},
	{"add eth0 192.0.2.1/33 225.1.1.1 eth1", accepted, refused(`source 192.0.2.1 has the prefix length "33": expected a number up to 32`), whyRefusal},
	{"join eth0 10.1.1.1", accepted, refused("group 10.1.1.1 is not multicast: expected an address in 224.0.0.0/4 or ff00::/8"), whyRefusal},
	{"add eth0 192.0.2.1 10.1.1.1 eth1", "mroute: invalid multicast group: 10.1.1.1", "group 10.1.1.1 is not multicast: expected an address in 224.0.0.0/4 or ff00::/8", whyMessage},
	{"add eth0 bogus 225.1.1.1 eth1", "mroute: invalid source/group address: bogus", `source "bogus" is not an address: expected one like 192.0.2.1 or 2001:db8::1`, whyMessage},
	{"remove eth0 192.0.2.77 225.1.1.1", "mroute: deleting route from eth0 (192.0.2.77/32,225.1.1.1/32)", "no such multicast route: (192.0.2.77, 225.1.1.1) from eth0", whyMessage},
	{"-b", "mroute: deleting route from eth0 (192.0.2.55/32,225.10.0.2/32)", "no such multicast route: (192.0.2.55, 225.10.0.2) from eth0", whyMessage},
	{"-b", "mroute: deleting route from eth0 (192.0.2.55/32,225.10.0.3/32)", "no such multicast route: (192.0.2.55, 225.10.0.3) from eth0", whyMessage},
	{"leave eth0 225.77.1.1", "No group (*,225.77.1.1) on eth0 to leave", "no such group membership: (*, 225.77.1.1) on eth0", whyMessage},
	{"leave eth0 225.6.0.0/31", "No group (*,225.6.0.0) on eth0 to leave", "no such group membership: (*, 225.6.0.0/31) on eth0", whyMessage},

	{"-t show routes", `
(192.0.2.2, 225.1.1.1)                     eth0 
(192.0.2.1, 225.3.0.1)                     eth0 
(2001:db8::2, ff1e::1)                     eth0 
(2001:db8:2::7, ff1e:2::7)                 eth0 
(2001:db8:1::7, ff1e:3::7)                 eth0 
(192.0.2.9, 225.9.9.4)                     eth0 
(192.0.2.1, 225.1.1.1)                     eth0 
(192.0.2.1, 225.1.2.3)                     eth0 
(192.0.2.3, 225.1.2.3)                     eth0 
(192.0.2.15, 225.2.255.1)                  eth0 
(2001:db8::5, ff1e::2)                     eth0 
(2001:db8:1::7, ff1e:2::7)                 eth0 
`, `
(192.0.2.2, 225.1.1.1)                     eth0 
(192.0.2.1, 225.1.2.3)                     eth0 
(192.0.2.2, 225.1.2.3)                     eth0 
(192.0.2.15, 225.2.255.1)                  eth0 
(192.0.2.1, 225.3.0.1)                     eth0 
(2001:db8::2, ff1e::1)                     eth0 
(2001:db8:1::7, ff1e:2::7)                 eth0 
(2001:db8:2::7, ff1e:2::7)                 eth0 
(2001:db8:1::7, ff1e:3::7)                 eth0 
(192.0.2.9, 225.9.9.4)                     eth0 
(192.0.2.1, 225.1.1.1)                     eth0 
(192.0.2.3, 225.1.2.3)                     eth0 
(2001:db8::5, ff1e::2)                     eth0 
`, whyStays},

	{"-pd show groups", "(*, 225.6.0.0/30)                          eth0\n(*, 225.6.0.1/30)                          eth0\n", "(*, 225.6.0.0)                             eth0\n(*, 225.6.0.1)                             eth0\n", whyMember},
	{"-pd show groups", "(*, 225.6.0.2/30)                          eth0\n(*, 225.6.0.3/30)                          eth0\n", "(*, 225.6.0.2)                             eth0\n(*, 225.6.0.3)                             eth0\n", whyMember},
}

// clientDifferences are those of our client.
var clientDifferences = []difference{
	{"showing", "stderr:\n" + strings.Repeat("\x1b7\x1b[r\x1b[999;999H\x1b[6n\x1b8", 6), "", "asks the kernel for the width of the terminal, not the terminal (spec 6)"},
	{"bogus", "exit code 0\nstdout:\nstderr:\n", "exit code 1\nstderr:\n", "a word that is no command is a mistake, not a wish for a listing (defect 12)"},
	{"-b", "smcroutectl: ", "smcroutectl: line N: ", "says which line of a batch failed"},
}

const accepted = "exit code 0\n"

func refused(text string) string { return "exit code 1\nstderr:\nsmcroutectl: " + text + "\n" }
