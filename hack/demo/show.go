package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// attempt is a flow that the demo sends, and what becomes of it.
type attempt struct {
	why         string // what it shows
	where       string // what decides: how the line of the configuration begins, or its number, or an object's name
	sg          mroute.SG
	ttl         uint8
	left, right bool // whether it arrives there
}

// attempts, those that must not arrive first: once the others have arrived they
// would have, too.
var attempts = []attempt{
	{"no line covers it", "", flow("192.0.2.10", "225.9.9.9"), 10, false, false},
	{"another source", "", flow("198.51.100.7", "239.7.1.1"), 10, false, false},
	{"one source, (S,G)", "mroute from in source 192.0.2.10", flow("192.0.2.10", "225.1.2.3"), 10, true, true},
	{"any source, (*,G)", "mroute from in group 225", flow("192.0.2.10", "225.3.2.1"), 10, true, false},
	{"any source, (*,G)", "mroute from in group 225", flow("198.51.100.7", "225.3.2.1"), 10, true, false},
	{"a range", "mroute from in source 192.0.2.0/24", flow("192.0.2.77", "239.7.1.1"), 10, true, true},
	{"TTL 4 is not above 4", "phyint out2", flow("192.0.2.78", "239.7.1.2"), 4, true, false},
	{"IPv6, one source", "mroute from in source 2001", flow("2001:db8::10", "ff0e::42"), 10, false, true},
	{"IPv6, a range", "mroute from in group ff0e::1:0", flow("2001:db8::10", "ff0e::1:99"), 10, true, false},
}

// count is how many packets of each flow are sent.
const count = 100

// daemonAct shows smcrouted at work, and reports whether everything was as it
// should be.
func (n *network) daemonAct(wait time.Duration) bool {
	title("The network, each box a network namespace")
	fmt.Print(drawing, "\n")
	title("smcroute.conf of the router")
	for i, l := range strings.Split(strings.TrimSuffix(conf, "\n"), "\n") {
		fmt.Printf("%s  %s\n", dim(fmt.Sprintf("%4d", i+1)), l)
	}
	fmt.Println()

	for i, a := range attempts {
		if a.where != "" {
			attempts[i].where = strconv.Itoa(line(a.where))
		}
	}
	good := n.play("LINE", attempts, wait)

	title("smcroutectl -d show")
	fmt.Println(n.smcroutectl("-d", "show"))
	title("smcroutectl show groups")
	fmt.Println(n.smcroutectl("show", "groups"))
	title("What the kernel says it joined on in")
	for _, sg := range n.router.Memberships("in") {
		fmt.Println("  ", sg)
	}
	fmt.Println()
	n.judge(good)
	return good
}

// play sends all flows and shows what arrived, and whether that is as it should
// be. It waits for packets that do not come, but only once.
func (n *network) play(where string, attempts []attempt, wait time.Duration) (good bool) {
	for _, a := range attempts {
		if !n.send(a, wait) {
			wait = 0
		}
	}
	title(fmt.Sprintf("%d packets of each flow sent; how many arrived", count))
	fmt.Printf("%9s  %-24s %-30s %5s %6s\n", where, "SHOWS", "FLOW", "LEFT", "RIGHT")
	good = true
	for _, a := range attempts {
		left, right := n.atLeft.Count(a.sg), n.atRight.Count(a.sg)
		verdict := paint("32", "as it should be")
		if left != expected(a.left) || right != expected(a.right) {
			good = false
			verdict = paint("31", fmt.Sprintf("WRONG: expected %d and %d", expected(a.left), expected(a.right)))
		}
		if a.where == "" {
			a.where = "-"
		}
		fmt.Printf("%9s  %-24s %-30s %5d %6d  %s\n", a.where, a.why, a.sg, left, right, verdict)
	}
	fmt.Println()
	return good
}

// judge ends an act.
func (n *network) judge(good bool) {
	if good {
		fmt.Println(paint("32", "Every packet arrived where it should, and nowhere else."))
	} else {
		fmt.Println(paint("31", "Not all is as it should be.") + " The program said:\n" + n.log.String())
	}
}

// send sends the packets of a flow and waits for them. It reports whether all
// arrived that should.
func (n *network) send(a attempt, wait time.Duration) bool {
	p := netlab.Packet{Src: a.sg.Source, Group: a.sg.Group, TTL: a.ttl}
	// While the daemon answers the kernel's question about a new flow, the
	// kernel keeps no more than a few of its packets: one goes ahead.
	n.sender.SendBurst("eth0", p, 0, 1)
	arrived := n.await(a, 1, wait)
	n.sender.SendBurst("eth0", p, 1, count-1)
	return arrived && n.await(a, count, wait)
}

func (n *network) await(a attempt, packets int, wait time.Duration) bool {
	return netlab.Poll(wait, func() bool {
		return (!a.left || n.atLeft.Count(a.sg) >= packets) && (!a.right || n.atRight.Count(a.sg) >= packets)
	})
}

func expected(arrives bool) int {
	if arrives {
		return count
	}
	return 0
}

// colour is whether standard output is a terminal that wants escape sequences.
var colour = term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == ""

func paint(code, text string) string {
	if !colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func title(text string) { fmt.Println(paint("1", "== "+text)) }

func dim(text string) string { return paint("2", text) }
