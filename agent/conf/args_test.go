package conf_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/conf"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// TestParseEdit has the arguments of the client's commands and what they mean,
// or why they mean nothing.
func TestParseEdit(t *testing.T) {
	for _, test := range []struct{ command, want string }{
		{"add a1 225.1.1.1 a2", "a1 (*, 225.1.1.1) [{a2 0}]"},
		{"add a1 1.2.3.4 225.1.1.1 a2 a3 a2", "a1 (1.2.3.4, 225.1.1.1) [{a2 0} {a3 0}]"},
		{"add a1 1.2.3.4/24 225.1.1.1/16 a+", "a1 (1.2.3.4/24, 225.1.1.1/16) [{a+ 0}]"},
		{"add a1 0.0.0.0 225.1.1.1 a2", "a1 (*, 225.1.1.1) [{a2 0}]"},
		{"add a1 1.2.3.4/0 225.1.1.1 a2", "a1 (*, 225.1.1.1) [{a2 0}]"},
		{"add a1 :: ff05::1 a2", "a1 (*, ff05::1) [{a2 0}]"},
		{"add a1 2001:db8::1 ff05::1", "a1 (2001:db8::1, ff05::1) []"},
		{"add a1 225.1.1.1 225.1.1.2", "a1 (*, 225.1.1.1) [{225.1.1.2 0}]"},
		{"add wpan0 :: :: 65472 eth0", "wpan0 (*, *)<FFC0> [{eth0 0}]"},
		{"add wpan0 :: :: 65472", "wpan0 (*, *)<FFC0> []"},
		{"add wpan0 :: :: eth0", `error: scope mask "eth0": expected a decimal number from 0 to 65535 as the first word of the outputs`},
		{"add wpan0 :: ::", "error: scope mask is missing: expected a decimal number from 0 to 65535 as the first word of the outputs"},
		{"add wpan0 :: :: 65536 eth0", `error: scope mask "65536": expected a decimal number from 0 to 65535 as the first word of the outputs`},
		{"remove wpan0 :: :: eth0", "wpan0 (*, *) [{eth0 0}]"},
		{"remove wpan0 :: ::", "wpan0 (*, *) []"},
		{"remove wpan0 :: :: 65472 eth0", "wpan0 (*, *)<FFC0> [{eth0 0}]"},
		{"remove wpan0 :: :: 70000 eth0", `error: scope mask "70000": expected a decimal number from 0 to 65535 as the first word of the outputs`},
		{"remove a1 1.2.3.4 225.1.1.1", "a1 (1.2.3.4, 225.1.1.1) []"},
		{"remove a1 225.1.1.1 a2", "a1 (*, 225.1.1.1) [{a2 0}]"},
		{"join a1 225.1.1.1", "join a1 (*, 225.1.1.1)"},
		{"join a1 1.2.3.4 225.1.1.1/24", "join a1 (1.2.3.4, 225.1.1.1/24)"},
		{"leave a1 1.2.3.4 225.1.1.1/24", "join a1 (1.2.3.4, 225.1.1.1/24)"},

		// The words of a file.
		{"add from a1 group 225.1.1.1 to a2 a3", "a1 (*, 225.1.1.1) [{a2 0} {a3 0}]"},
		{"add from a1 source 1.2.3.0/24 group 225.1.0.0/16", "a1 (1.2.3.0/24, 225.1.0.0/16) []"},
		{"add from a1 group 225.1.1.1 native to a2", "a1 (*, 225.1.1.1) [{a2 0}] native"},
		{"add from a1 flows 1000 group 225.1.1.1 learn to a2", "a1 (*, 225.1.1.1) [{a2 0}] flows 1000"},
		{"add from a1 group 225.1.1.1 except 1.2.3.4,2.0.0.0/8 to a2", "a1 (*, 225.1.1.1) [{a2 0}] except [1.2.3.4/32 2.0.0.0/8]"},
		{"add from wpan0 source :: group :: to 65472 eth0", "wpan0 (*, *)<FFC0> [{eth0 0}]"},
		{"add from from group 225.1.1.1 to to", `error: an error here, in a file a warning: "from" is taken as the name of an interface here`},
		{"remove from a1 group 225.1.1.1 native to a2", "a1 (*, 225.1.1.1) [{a2 0}] native"},
		{"add from 225.1.1.1 group", "from (*, 225.1.1.1) [{group 0}]"},               // an interface called from
		{"add from 1.2.3.4 225.1.1.1 group", "from (1.2.3.4, 225.1.1.1) [{group 0}]"}, // as ever
		{"add from  225.1.1.1 group", "from (*, 225.1.1.1) [{group 0}]"},
		{"add from a1", "error: mroute without group: expected \"group\" and a multicast address"},
		{"add from a1 group 225.1.1.1 nativ to a2", `error: an error here, in a file a warning: unknown word "nativ" ignored: expected from, source, group, except, native, learn, flows or to`},
		{"add from a1 source 1.2.3.4 group 225.1.1.1 native to a2", "error: native with a source, a prefix or except: expected it only with a single group, as the kernel's entry is for any source of that"},
		{"add from a1 group 225.1.1.1 flows 0 to a2", `error: flows "0": expected a number from 1 to 1000000`},
		{"add from a1 group 225.1.1.1 native learn to a2", `error: an error here, in a file a warning: "learn" after "native" on this line: the later one counts`},
		{"add from a1 group 225.1.1.1 to", "error: an error here, in a file a warning: to without an interface behind it: this is a stop rule, as if to were not there"},
		{"add from a1 group 225.1.1.1 #native", `error: word "#native": expected one without blanks, and no comment`},
		{"add from a1 group 225.1.1.1 to\na2", `error: word "to\na2": expected one without blanks, and no comment`},
		{"add from a1 group 225.1.1.1  to a2", `error: word "": expected one without blanks, and no comment`},
		{"join from a1 group 225.1.1.1", "join a1 (*, 225.1.1.1)"},
		{"leave from a1 source 1.2.3.4 group 225.1.1.0/24", "join a1 (1.2.3.4, 225.1.1.0/24)"},
		{"join from 225.1.1.1", "join from (*, 225.1.1.1)"},
		{"join from a1", `error: mgroup without group: expected "group" and a multicast address`},
		{"join from a1 group 225.1.1.1 to a2", `error: an error here, in a file a warning: unknown word "to" ignored: expected from, source or group`},
		{"join from a1 group 224.0.0.0/4", "error: (*, 224.0.0.0/4) stands for 268435456 joins: expected prefixes of at most 65536 sources times groups"},

		{"add", "error: no arguments: expected an interface, a source if wanted, and a group"},
		{"add a1", "error: no group: expected a multicast address behind the interface or the source"},
		{"add a1 10.0.0.1", "error: group 10.0.0.1 is not multicast: expected an address in 224.0.0.0/4 or ff00::/8"},
		{"add a1 1.2.3.4 10.0.0.1 a2", "error: group 10.0.0.1 is not multicast: expected an address in 224.0.0.0/4 or ff00::/8"},
		{"add a1 ::1 ::ffff:225.1.1.1 a2", "error: group ::ffff:225.1.1.1 is not multicast: expected an address in 224.0.0.0/4 or ff00::/8"},
		{"add a1 a2", `error: group "a2" is not an address: expected one like 192.0.2.1 or 2001:db8::1`},
		{"add a1 225.1.1.1/33 a2", `error: group 225.1.1.1 has the prefix length "33": expected a number up to 32`},
		{"add a1 225.1.1.1/0 a2", "error: group 225.1.1.1 has the prefix length 0: expected 1 to 32, or 224.0.0.0/4 for every group"},
		{"add a1 1.2.3.4/x 225.1.1.1 a2", `error: source 1.2.3.4 has the prefix length "x": expected a number up to 32`},
		{"add a1 10.0.0.1 ff05::1 a2", "error: source 10.0.0.1 is IPv4 and group ff05::1 is IPv6: expected both of one family"},
		{"add averylongname16b 225.1.1.1 a2", `error: no interface can be called "averylongname16b": expected a name of at most 15 bytes`},
		{"add a1 225.1.1.1 a/2", `error: no interface can be called "a/2": expected a name without slash, blank or NUL`},
		{"add  225.1.1.1 a2", "error: an empty interface name: expected one like eth0, or eth+ for all that begin with eth"},
		{"add a1 ::", "error: no group: expected a multicast address behind the interface or the source"},
		{"join a1 10.0.0.1", "error: group 10.0.0.1 is not multicast: expected an address in 224.0.0.0/4 or ff00::/8"},
		{"join a1 225.1.1.1 a2", `error: unexpected word "a2": expected nothing behind the group`},
		{"join a1 225.0.0.0/8", "error: (*, 225.0.0.0/8) stands for 16777216 joins: expected prefixes of at most 65536 sources times groups"},
		{"join a1 :: ::", "error: group :: is not multicast: expected an address in 224.0.0.0/4 or ff00::/8"},
	} {
		t.Run(test.command, func(t *testing.T) {
			words := strings.Split(test.command, " ")
			kind := map[string]mroute.EditKind{
				"add": mroute.AddRoute, "remove": mroute.RemoveRoute, "join": mroute.AddJoin, "leave": mroute.RemoveJoin,
			}[words[0]]
			edit, err := conf.ParseEdit(kind, words[1:])
			var got string
			switch r := edit.Route; {
			case err != nil:
				got = "error: " + err.Error()
			case edit.Kind != kind:
				t.Errorf("kind %v, want %v", edit.Kind, kind)
			case kind == mroute.AddJoin || kind == mroute.RemoveJoin:
				got = fmt.Sprintf("join %s %v", edit.Join.If, edit.Join.Match)
			default:
				got = fmt.Sprintf("%s %v%v %v", r.From, r.Match, r.Scopes, r.To)
				if r.AnySource == mroute.NativeSources {
					got += " native"
				}
				if r.MaxFlows > 0 {
					got += fmt.Sprint(" flows ", r.MaxFlows)
				}
				if len(r.Except) > 0 {
					got += fmt.Sprint(" except ", r.Except)
				}
				if r.Origin != (mroute.Origin{}) {
					t.Errorf("origin %v", r.Origin)
				}
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestParseEditUnknownKind(t *testing.T) {
	if _, err := conf.ParseEdit(0, []string{"a1", "225.1.1.1"}); err == nil {
		t.Error("no error for an unknown kind")
	}
}
