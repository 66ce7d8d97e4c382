package interop

import (
	"testing"

	"github.com/smcroute/kube-smcroute/test/interop/program"
)

// confs are files that both daemons get, on the same network.
var confs = []struct {
	name, conf  string
	args        []string
	deaf        string       // host that markers do not reach
	differences []difference // of our daemon
}{
	{
		name: "with phyint lines",
		conf: `
phyint eth0 enable
phyint eth1 enable ttl-threshold 3
phyint eth2 enable
` + rules,
		differences: rulesDifferences,
	},
	{
		name:        "without phyint lines",
		conf:        rules,
		differences: rulesDifferences,
	},
	{
		name: "an interface that nothing names",
		conf: `
mroute from eth0 source 192.0.2.1 group 225.1.1.1 to eth2
mroute from eth0 group ff1e::2 to eth2
mroute from eth0 source 192.0.2.254 group 239.255.0.0/16 to eth0 eth2
mroute from eth0 source 2001:db8::ffff group ff1e:ffff::/32 to eth0 eth2
`,
		deaf: "B",
		differences: []difference{
			{"", "     3 eth1      1    1\n     4 eth2      2    2\n", "     3 eth1    N/A  N/A\n     4 eth2      1    1\n", whyOnDemand},
		},
	},
	{
		name: "phyint disable, then a rule that names the interface",
		conf: `
phyint eth1 disable
mroute from eth0 source 192.0.2.1 group 225.1.1.1 to eth1 eth2
mroute from eth0 source 192.0.2.254 group 239.255.0.0/16 to eth0 eth2
mroute from eth0 source 2001:db8::ffff group ff1e:ffff::/32 to eth0 eth2
`,
		deaf: "B",
		differences: []difference{
			{"packets", "(192.0.2.1, 225.1.1.1) to C6\n", "(192.0.2.1, 225.1.1.1) to B6 C6\n", whyOnDemand},
			{"", "225.1.1.1)                     eth0  eth2\n", "225.1.1.1)                     eth0  eth1 eth2\n", whyOnDemand},
			{"before: -p -d show", "225.1.1.1)                     eth0          0          0  eth2\n", "225.1.1.1)                     eth0          0          0  eth1 eth2\n", whyOnDemand},
			{"-p -d show", "225.1.1.1)                     eth0          8        352  eth2\n", "225.1.1.1)                     eth0          8        352  eth1 eth2\n", whyOnDemand},
			{"", "     3 eth1    N/A  N/A\n     4 eth2      2    2\n", "     3 eth1      1    1\n     4 eth2      2    2\n", whyOnDemand},
		},
	},
	{
		name: "-N",
		args: []string{"-N"},
		conf: `
phyint eth0 enable
phyint eth1
phyint eth2 enable
mroute from eth0 source 192.0.2.1 group 225.1.1.1 to eth2
mroute from eth0 source 192.0.2.254 group 239.255.0.0/16 to eth0 eth2
mroute from eth0 source 2001:db8::ffff group ff1e:ffff::/32 to eth0 eth2
`,
		deaf: "B",
	},
}

const whyOnDemand = "2.6 gives an interface a VIF when a line names it; 2.5.6 gives all interfaces one at start, and none to those disabled"

// rules have one of each kind. Exact rules stand behind templates that cover
// them: SMCRoute adds the outbounds of templates to entries that are there.
const rules = `
# Any order of clauses, and keywords by their beginnings.
mgroup from eth0 group 225.1.1.1
mgroup group 232.1.1.1 source 192.0.2.1 from eth0
ssmgroup from eth0 source 192.0.2.2 group 232.1.1.1
mgroup from eth1 group 225.7.0.0/30
mgroup from eth0 source 2001:db8::/127 group ff3e::1
mgroup from eth2 group ff1e::1
mroute from eth0 source 192.0.2.1 group 225.1.1.1 to eth1 eth2
mroute from eth0 source 192.0.2.2 group 225.1.1.1 to eth2
mroute to eth1
mroute from eth0 group 225.1.2.3 to eth1 eth2
mroute from eth0 group 225.2.0.0/16 to eth2
mroute from eth0 source 198.51.100.0/24 group 225.1.1.1 to eth1
mroute from eth0 source 198.51.100.0/24 group 225.3.0.0/16 to eth1
mroute from eth0 group 225.3.5.0/24
mroute from eth0 group 225.3.0.0/16 to eth2
mroute from eth0 source 198.51.100.9 group 225.3.0.9
mroute from eth0 source 192.0.2.1 group 225.4.0.1 to eth+
mroute from eth+ group 225.5.0.1 to eth1
mroute from eth0 source 192.0.2.1 group 225.6.0.1 to eth0
mroute from eth0 source 192.0.2.1 group 225.6.0.2 to nosuch eth2
mroute from nosuch group 225.6.0.3 to eth2
mroute from eth1 source 192.0.2.1 group 225.6.0.4 to eth2
mroutes from eth0 sources 192.0.2.1 groups 225.6.0.5 towards eth1
nonsense from eth0 group 225.6.0.6 to eth1
mroute from eth0 group 10.0.0.1 to eth1
mroute from eth0 source 192.0.2.1 group 225.8.0.1 to eth1
mroute from eth0 source 192.0.2.1 group 225.8.0.1 to eth2
mroute from eth0 group 0:ff to eth1
mroute from eth0 source 2001:db8::1 group ff1e::1 to eth1 eth2
mroute from eth0 group ff1e::2 to eth2
mroute from eth0 group ff1e:3::/32 to eth1
mroute from eth0 source 2001:db8:4::/48 group ff1e:4::/32 to eth1
mroute from eth0 source 2001:db8:4::9 group ff1e:4::9
mroute from eth0 source 2001:db8::1 group ff1e::5 to eth+
` + markerConf

// matrix is what is sent, IPv4 and IPv6.
var matrix = [][]flow{
	{
		{"192.0.2.1", "225.1.1.1", 0},
		{"192.0.2.1", "225.1.1.1", 4},
		{"192.0.2.1", "225.1.1.1", 3}, // not above eth1's threshold
		{"192.0.2.1", "225.1.1.1", 1}, // to nobody
		{"192.0.2.2", "225.1.1.1", 0},
		{"192.0.2.3", "225.1.1.1", 0},
		{"198.51.100.7", "225.1.1.1", 0},
		{"192.0.2.1", "225.1.2.3", 0},
		{"192.0.2.2", "225.1.2.3", 3},
		{"192.0.2.1", "225.2.0.1", 0},
		{"192.0.2.1", "225.2.255.255", 0},
		{"192.0.2.1", "225.9.0.1", 0},
		{"198.51.100.1", "225.3.0.1", 0},
		{"198.51.101.1", "225.3.0.1", 0},
		{"198.51.100.9", "225.3.0.9", 0},
		{"198.51.101.1", "225.3.5.1", 0},
		{"198.51.100.1", "225.3.5.1", 0},
		{"192.0.2.1", "225.4.0.1", 0},
		{"192.0.2.1", "225.5.0.1", 0},
		{"192.0.2.1", "225.6.0.1", 0},
		{"192.0.2.1", "225.6.0.2", 0},
		{"192.0.2.1", "225.6.0.3", 0},
		{"192.0.2.1", "225.6.0.4", 0},
		{"192.0.2.1", "225.6.0.5", 0},
		{"192.0.2.1", "225.6.0.6", 0},
		{"192.0.2.1", "225.8.0.1", 0},
		{"192.0.2.1", "224.0.0.9", 0},
	},
	{
		{"2001:db8::1", "ff1e::1", 0},
		{"2001:db8::2", "ff1e::1", 0},
		{"2001:db8::1", "ff1e::2", 0},
		{"2001:db8::1", "ff1e::2", 1},
		{"2001:db8::1", "ff1e:3:9::1", 0},
		{"2001:db8::1", "ff1e:4::1", 0},
		{"2001:db8:4:ffff::1", "ff1e:4::1", 0},
		{"2001:db8:4::9", "ff1e:4::9", 0},
		{"2001:db8::1", "ff1e::5", 0},
		{"2001:db8::1", "ff1e::6", 0},
	},
}

var listings = []step{
	{args: "-p show routes"},
	{args: "-p show groups"},
	{args: "-p -d show groups"},
	{args: "-p show interfaces"},
	{args: "-p -d show"},
}

// rulesDifferences are those of our daemon with rules.
var rulesDifferences = []difference{
	{"packets", "(192.0.2.1, 225.4.0.1) to A2 B2 C2\n", "(192.0.2.1, 225.4.0.1) to B2 C2\n", whyWildcard},
	{"packets", "(2001:db8::1, ff1e::5) to A2 B2 C2\n", "(2001:db8::1, ff1e::5) to B2 C2\n", whyWildcard},
	{"", "(192.0.2.1, 225.4.0.1)                     eth0  eth0 eth1 eth2\n", "(192.0.2.1, 225.4.0.1)                     eth0  eth1 eth2\n", whyWildcard},
	{"", "(192.0.2.1, 225.4.0.1)                     eth0          0          0  eth0 eth1 eth2\n", "(192.0.2.1, 225.4.0.1)                     eth0          0          0  eth1 eth2\n", whyWildcard},
	{"", "(192.0.2.1, 225.4.0.1)                     eth0          2         88  eth0 eth1 eth2\n", "(192.0.2.1, 225.4.0.1)                     eth0          2         88  eth1 eth2\n", whyWildcard},
	{"", "(2001:db8::1, ff1e::5)                     eth0  eth0 eth1 eth2\n", "(2001:db8::1, ff1e::5)                     eth0  eth1 eth2\n", whyWildcard},
	{"", "(2001:db8::1, ff1e::5)                     eth0          0          0  eth0 eth1 eth2\n", "(2001:db8::1, ff1e::5)                     eth0          0          0  eth1 eth2\n", whyWildcard},
	{"", "(2001:db8::1, ff1e::5)                     eth0          2        128  eth0 eth1 eth2\n", "(2001:db8::1, ff1e::5)                     eth0          2        128  eth1 eth2\n", whyWildcard},

	{"", "(*, 225.7.0.0/30)                          eth1\n(*, 225.7.0.1/30)                          eth1\n", "(*, 225.7.0.0)                             eth1\n(*, 225.7.0.1)                             eth1\n", whyMember},
	{"", "(*, 225.7.0.2/30)                          eth1\n(*, 225.7.0.3/30)                          eth1\n", "(*, 225.7.0.2)                             eth1\n(*, 225.7.0.3)                             eth1\n", whyMember},
	{"", "(2001:db8::/127, ff3e::1)                  eth0\n(2001:db8::1/127, ff3e::1)                 eth0\n", "(2001:db8::, ff3e::1)                      eth0\n(2001:db8::1, ff3e::1)                     eth0\n", whyMember},
}

// TestSameConfiguration gives one file to both daemons, sends the same packets
// through both, and compares where they go and all listings, line by line.
func TestSameConfiguration(t *testing.T) {
	ours, debian := both(t)
	for _, c := range confs {
		t.Run(c.name, func(t *testing.T) {
			run := func(p program.Programs) transcript {
				l := newLab(t)
				l.deaf = c.deaf
				l.start(p, c.conf, c.args...)
				said := transcript{}
				before := l.run(debian, listings)
				for _, flows := range matrix {
					said["packets"] += list(l.send(flows...))
				}
				for step, text := range l.run(debian, listings) {
					said[step] = text
					said["before: "+step] = before[step]
				}
				return said
			}
			steps := []step{{args: "packets"}}
			for _, s := range listings {
				steps = append(steps, step{args: "before: " + s.args}, s)
			}
			compare(t, steps, run(debian).with(t, c.differences), run(ours))
		})
	}
}
