package interop

import (
	"testing"

	"github.com/smcroute/kube-smcroute/test/interop/program"
)

const commandsConf = `
phyint eth0 enable
phyint eth1 enable
phyint eth2 enable
mgroup from eth1 group 225.0.0.9
mroute from eth0 source 192.0.2.1 group 225.0.0.9 to eth1
` + markerConf

// commands are all that smcroutectl has.
var commands = []step{
	{args: "-p show interfaces"},
	{args: "add eth0 192.0.2.1 225.1.1.1 eth1", flows: []flow{{"192.0.2.1", "225.1.1.1", 0}, {"192.0.2.2", "225.1.1.1", 0}}},
	{args: "add eth0 192.0.2.1 225.1.1.1 eth2", flows: []flow{{"192.0.2.1", "225.1.1.1", 0}}},
	{args: "add eth0 225.1.2.3 eth1", flows: []flow{{"192.0.2.1", "225.1.2.3", 0}, {"192.0.2.2", "225.1.2.3", 2}, {"192.0.2.2", "225.1.2.3", 1}}},
	{args: "add eth0 192.0.2.0/28 225.2.0.0/16 eth2", flows: []flow{{"192.0.2.15", "225.2.255.1", 0}, {"192.0.2.16", "225.2.255.1", 0}, {"192.0.2.1", "225.3.0.1", 0}}},
	{args: "add eth0 2001:db8::1 ff1e::1 eth1 eth2", flows: []flow{{"2001:db8::1", "ff1e::1", 0}, {"2001:db8::2", "ff1e::1", 0}}},
	{args: "add eth0 ff1e::2 eth1", flows: []flow{{"2001:db8::1", "ff1e::2", 0}}},
	{args: "add eth0 2001:db8:1::/48 ff1e:2::/32 eth2", flows: []flow{{"2001:db8:1::7", "ff1e:2::7", 0}, {"2001:db8:2::7", "ff1e:2::7", 0}, {"2001:db8:1::7", "ff1e:3::7", 0}}},
	{args: "add eth0 2001:db8::1 ff1e::2 eth2", flows: []flow{{"2001:db8::1", "ff1e::2", 0}}},
	{args: "add eth0 192.0.2.16 225.2.255.1 eth1", flows: []flow{{"192.0.2.16", "225.2.255.1", 0}}}, // it had a stop filter
	{args: "add eth0 192.0.2.9 225.9.9.1 eth+", flows: []flow{{"192.0.2.9", "225.9.9.1", 0}}},
	{args: "add eth0 192.0.2.9 225.9.9.2 eth0 eth1", flows: []flow{{"192.0.2.9", "225.9.9.2", 0}}},
	{args: "add eth+ 225.9.9.3 eth1", flows: []flow{{"192.0.2.9", "225.9.9.3", 0}}},
	{args: "add eth0 225.9.9.4 nosuch", flows: []flow{{"192.0.2.9", "225.9.9.4", 0}}},

	{args: "-p show"},
	{args: "-p -d show routes"},
	{args: "-t show"},
	{args: "-td sh"},
	{args: "-p show bogus"},
	{args: "-pd show interfaces"},
	{args: "-t show i"},
	{args: "showing"}, // with escape sequences

	// Refusals.
	{args: "add nosuch 225.9.9.9 eth1"},
	{args: "add eth0 192.0.2.1 10.1.1.1 eth1"},
	{args: "add eth0 192.0.2.1/33 225.1.1.1 eth1"},
	{args: "add eth0 bogus 225.1.1.1 eth1"},
	{args: "add eth0 225.1.1.1", own: true},
	{args: "add", own: true},
	{args: "remove eth0", own: true},
	{args: "remove eth0 192.0.2.77 225.1.1.1"},
	{args: "join eth0 10.1.1.1"},
	{args: "join nosuch 225.5.5.5"},
	{args: "leave eth0 225.77.1.1"},
	{args: "bogus", own: true},
	{args: "-Z show", own: true},

	{args: "remove eth0 192.0.2.1 225.1.1.1 eth2", flows: []flow{{"192.0.2.1", "225.1.1.1", 0}}},
	{args: "remove eth0 192.0.2.1 225.1.1.1", flows: []flow{{"192.0.2.1", "225.1.1.1", 0}}},
	{args: "rem eth0 225.1.2.3", flows: []flow{{"192.0.2.1", "225.1.2.3", 0}, {"192.0.2.3", "225.1.2.3", 0}}},
	{args: "del eth0 192.0.2.0/28 225.2.0.0/16", flows: []flow{{"192.0.2.15", "225.2.255.1", 0}, {"192.0.2.16", "225.2.255.1", 0}}},
	{args: "del eth0 ff1e::2", flows: []flow{{"2001:db8::1", "ff1e::2", 0}, {"2001:db8::5", "ff1e::2", 0}}},
	{args: "remove eth0 2001:db8:1::/48 ff1e:2::/32", flows: []flow{{"2001:db8:1::7", "ff1e:2::7", 0}}},
	{args: "-t show routes"},

	{args: "join eth0 225.5.5.5"},
	{args: "join eth0 192.0.2.1 232.1.1.1"},
	{args: "join eth0 225.6.0.0/30"},
	{args: "join eth0 ff1e::9"},
	{args: "join eth0 2001:db8::1 ff3e::9"},
	{args: "join eth2 225.5.5.5"},
	{args: "join eth2 225.5.5.5/32"}, // again
	{args: "-p show groups"},
	{args: "-pd show groups"},
	{args: "leave eth0 225.6.0.0/31"},
	{args: "leave eth0 225.6.0.0/30"},
	{args: "leave eth0 225.5.5.5"},
	{args: "leave eth0 ff1e::9"},
	{args: "-pt show groups"},

	{args: "flush"},
	{args: "fl"}, // the first one only notes the counts
	{args: "-t show r"},

	{args: "-b", stdin: "# a comment\nadd eth0 192.0.2.5 225.10.0.1 eth1\nadd eth0 192.0.2.5\t225.10.0.2 eth2\nremove eth0 192.0.2.55 225.10.0.2\nremove eth0 192.0.2.55 225.10.0.3\n",
		flows: []flow{{"192.0.2.5", "225.10.0.1", 0}, {"192.0.2.5", "225.10.0.2", 0}}},
	{args: "help add", own: true},
	{args: "version", own: true},
	{args: "reload", flows: []flow{{"192.0.2.5", "225.10.0.1", 0}, {"192.0.2.1", "225.0.0.9", 0}}},
	{args: "-tp show"},
	{args: "-tp show groups"},
	{args: "kill"},
}

// TestCommands gives all commands with each client to each daemon, and watches
// what the packets do. All must be as with the original pair, but for the
// differences that are wanted.
func TestCommands(t *testing.T) {
	ours, debian := both(t)
	run := func(client, daemon program.Programs) transcript {
		l := newLab(t)
		l.start(daemon, commandsConf)
		said := l.run(client, commands)
		if !l.ended() {
			t.Errorf("%s smcrouted did not end after kill of %s smcroutectl", daemon.Name, client.Name)
		}
		return said
	}
	original := run(debian, debian)
	t.Run("Debian's client, our daemon", func(t *testing.T) {
		compare(t, commands, original.with(t, daemonDifferences), run(debian, ours))
	})
	t.Run("our client, Debian's daemon", func(t *testing.T) {
		compare(t, commands, original.with(t, clientDifferences), run(ours, debian))
	})
	t.Run("our client, our daemon", func(t *testing.T) {
		compare(t, commands, original.with(t, daemonDifferences).with(t, clientDifferences), run(ours, ours))
	})
}
