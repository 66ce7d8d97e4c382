package spread_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// mrule adds or deletes rules of both families: "ip mrule" in the words of that.
func (l *lab) mrule(verb string, rules []string) {
	l.t.Helper()
	var lines strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&lines, "mrule %s %s\n", verb, r)
	}
	for _, family := range []string{"-4", "-6"} {
		cmd := l.router.Command("ip", family, "-batch", "-")
		cmd.Stdin = strings.NewReader(lines.String())
		if out, err := cmd.CombinedOutput(); err != nil {
			l.t.Fatalf("ip %s: %v\n%s%s", family, err, &lines, out)
		}
	}
}

// fate is what becomes of packets that arrive on a link.
type fate struct {
	rules    string // of the link; "; " between them
	priority int
	does     string // what is told of the rule of that priority; "": nothing, and packets come
}

// What is told of a rule is what the kernel does by it, whatever it asks for and does:
// packets come if nothing is told, and do not if something is. A rule for some packets
// alone is not told, since nobody knows whether they are wanted.
//
//	host XN0 ---- n0 router out ---- XOUT host
//	     XN1 ---- n1              and so on
func TestForeignRuleKinds(t *testing.T) {
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skipf("needs ip of iproute2: %v", err)
	}
	const leads, drops = "leads to table 700", "drops them"
	for _, tt := range []struct {
		name  string
		rules string // of all links
		fates []fate // of n0, n1 ...: LINK is it, and @ makes priorities its own
	}{
		{name: "each link its own", fates: []fate{
			{"", 0, ""},
			{"iif LINK lookup 700 priority @5", 5, leads},
			{"iif LINK blackhole priority @5", 5, drops},
			{"iif LINK unreachable priority @5", 5, drops},
			{"iif LINK prohibit priority @5", 5, drops},
			{"iif LINK type blackhole table 700 priority @5", 5, drops},
			{"iif LINK nop priority @5", 0, ""},
			{"iif LINK goto @9 priority @5; iif LINK blackhole priority @7; iif LINK lookup 700 priority @9", 9, leads},
			{"iif LINK goto 32767 priority @5; iif LINK lookup 700 priority @7", 0, ""},
			{"iif LINK goto 32766 priority @5", 0, ""}, // there is none
			{"iif LINK oif n0 lookup 700 priority @5", 0, ""},
			{"iif LINK fwmark 3 lookup 700 priority @5", 0, ""},
			{"iif LINK fwmark 3 lookup 700 priority @5; iif LINK blackhole priority @6", 6, drops},
			{"iif LINK l3mdev priority @5", 0, ""},
			{"iif LINK uidrange 5-6 lookup 700 priority @5", 0, ""},
			{"iif LINK uidrange 0-6 lookup 700 priority @5", 5, leads},
			{"iif LINK tun_id 5 lookup 700 priority @5", 0, ""},
			// The kernel takes these words, and does not look at them.
			{"iif LINK tos 0x10 lookup 700 priority @5", 5, leads},
			{"iif LINK ipproto tcp lookup 700 priority @5", 5, leads},
			{"iif LINK sport 7 dport 7 lookup 700 priority @5", 5, leads},
			{"iif LINK suppress_prefixlength 0 lookup 700 priority @5", 5, leads},
		}},
		{"but one", "not iif n1 lookup 700 priority 5", []fate{{"", 5, leads}, {}}},
		{"no packet has a tunnel", "not tun_id 5 lookup 700 priority 5", []fate{{"", 5, leads}}},
		{"none goes out yet", "not oif n0 blackhole priority 5", []fate{{"", 5, drops}}},
		{"over one of all", "prohibit priority 400", []fate{{"", 400, drops}, {"iif LINK goto 32767 priority @5", 0, ""}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			l.links("n", len(tt.fates))
			l.link("out")
			l.start()
			other, err := linux.Open(linux.Options{NetNS: l.router.Path(), Table: 700})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = other.Close() })
			var routes []mroute.Route
			var rules, want []string
			var come, stay []func(generation int) mroute.SG
			if tt.rules != "" {
				rules = append(rules, tt.rules)
			}
			for i, x := range tt.fates {
				link := fmt.Sprint("n", i)
				if x.rules != "" {
					rules = append(rules, strings.Split(strings.NewReplacer("LINK", link, "@", fmt.Sprint(i+1)).Replace(x.rules), "; ")...)
				}
				if x.priority > 0 && x.priority < 10 && x.rules != "" {
					x.priority += 10 * (i + 1)
				}
				for _, f := range mroute.Families {
					sg := flow(f, i)
					routes = append(routes, anySource(sg, mroute.IfPattern(link), "out"))
					send := func(generation int) mroute.SG {
						sg := mroute.SG{Source: flow(f, generation).Source, Group: sg.Group}
						l.host.Send("x"+link, packet(sg))
						return sg
					}
					if x.does == "" {
						come = append(come, send)
						continue
					}
					stay = append(stay, send)
					want = append(want, fmt.Sprintf("%s [%d] packets that arrive on %[1]s do not come to the router: the %[3]v rule of priority %[2]d %[4]s", link, x.priority, f, x.does))
				}
			}
			l.set(routes...)
			c := l.host.Capture("xout")
			l.mrule("add", rules)
			l.await("what is told", want, func(p *mroute.PendingView) string { return fmt.Sprint(p.From, " ", p.MRules, " ", p.Reason) })
			for _, send := range come {
				c.Await(send(1), 1, soon)
			}
			var lost []mroute.SG
			for _, send := range stay {
				lost = append(lost, send(2))
			}
			l.flush() // what is late would come by other rules
			l.mrule("del", rules)
			for _, send := range stay {
				c.Await(send(3), 1, soon)
			}
			for i, sg := range lost {
				if c.Count(sg) > 0 {
					t.Errorf("%v came, though %s", sg, want[i])
				}
			}
		})
	}
}
