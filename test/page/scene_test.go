package page

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
	"github.com/smcroute/kube-smcroute/agent/page"
	"github.com/smcroute/kube-smcroute/agent/view"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// newScene serves a page of made-up routers, and opens it.
func newScene(t *testing.T, o page.Options) *lab {
	needBrowser(t)
	netlab.Own(t)
	o.Program, o.Version, o.Host = "smcrouted", "1.0.0", "router-a"
	s, err := page.Listen(t.Context(), net.ListenConfig{}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() { _ = page.Serve(ctx, s, page.New(o)) }()
	l := &lab{T: t, dir: t.TempDir(), addr: s.Addr().String(), trouble: &programs.Output{}}
	l.browse()
	return l
}

func parse(s string) (n view.Net) {
	if err := n.UnmarshalText([]byte(s)); err != nil {
		panic(err)
	}
	return n
}

// entry is one with a rate of packets a second of 1300 bytes, since start.
func entry(source, group, iif string, rate float64, start, now time.Time, oifs ...string) view.Flow {
	n := uint64(now.Sub(start).Seconds() * rate)
	return view.Flow{
		Source: parse(source), Group: parse(group), Kind: view.Static, IIF: iif, OIFs: oifs,
		Traffic: view.Traffic{Packets: n, Bytes: 1300 * n, Age: view.Seconds(now.Sub(start))},
	}
}

// Of ten thousand streams the page shows the largest, says how many others there
// are, finds each of them, and stays quick.
func TestManyStreams(t *testing.T) {
	const streams = 10_000
	start := time.Now().Add(-time.Hour)
	l := newScene(t, page.Options{Routers: func(context.Context) []page.Router {
		s := &view.State{Time: time.Now()}
		for i := range streams {
			s.Flows = append(s.Flows, entry(fmt.Sprintf("10.0.%d.%d", i/250, i%250), fmt.Sprintf("239.1.%d.%d", i/250, i%250), "in", float64(i), start, s.Time, "out"))
		}
		return []page.Router{{Name: "main", Survey: s.Survey}}
	}})
	l.await("Flowing", "239.1.39.249", "9,9") // the largest: 9,999 packets a second
	if n := eval[int](l, "document.querySelectorAll('#streams tbody tr').length"); n != 200 {
		t.Errorf("%d rows, want 200", n)
	}
	if omitted := l.text("#omitted"); !strings.Contains(omitted, "200 of 10,000 are shown") {
		t.Errorf("of those left out: %q", omitted)
	}
	if !strings.Contains(l.text("#totals"), "9,999") {
		t.Errorf("totals: %s", l.text("#totals"))
	}
	l.do("looking for a small one", chromedp.SendKeys(chromedp.CSS("#text"), "239.1.0.7"))
	l.await("239.1.0.7")
	l.clearFilter()
	l.await("239.1.39.249")
	eval[bool](l, "document.querySelector('#more').click(), true")
	if !netlab.Poll(deadline, func() bool { return eval[int](l, "document.querySelectorAll('#streams tbody tr').length") == 1000 }) {
		t.Error("there are not 1000 rows after more were asked for")
	}
	if s := l.trouble.String(); s != "" {
		t.Errorf("the browser complains:\n%s", s)
	}
}

// report has what the doctor could say, hostile words among it.
func report() diagnose.Report {
	return diagnose.Report{
		Time: time.Now(),
		Findings: []diagnose.Finding{
			{
				ID: "ttl", Severity: diagnose.Broken, Source: parse("10.20.1.4"), Group: parse("239.100.2.4"), Link: "ens1f0",
				Text:     "Packets arrive with a TTL of 1, so that no router passes them on.",
				Evidence: []string{"ens1f0: 1,204 packets in 2 s, TTL 1", "<script>alert(1)</script>"},
				Fix:      []string{"# at the sender: set the TTL of the stream to 16", "iptables -t mangle -A PREROUTING -d 239.100.2.4 -j TTL --ttl-set 16"},
				Doc:      "docs/doctor.md#ttl",
			},
			{
				ID: "snooping", Severity: diagnose.Risk, Link: "br-studio", Text: "The bridge snoops, and nobody asks who listens.",
				Evidence: []string{"br-studio: multicast_snooping 1, no querier"}, Fix: []string{"ip link set br-studio type bridge mcast_querier 1"},
			},
		},
		Unseen: []diagnose.Unseen{{What: "firewall", Why: "nft is not permitted"}},
	}
}

func TestFindings(t *testing.T) {
	l := newScene(t, page.Options{
		Routers: func(context.Context) []page.Router {
			return []page.Router{{Name: "main", Survey: (&view.State{Time: time.Now()}).Survey}}
		},
		Examine: func(context.Context) (diagnose.Report, error) { return report(), nil },
	})
	if !netlab.Poll(deadline, func() bool { return strings.Contains(l.text("#findings"), "TTL of 1") }) {
		t.Fatalf("no finding:\n%s\n%s", l.text("body"), l.trouble)
	}
	found := l.text("#doctor")
	for _, want := range []string{
		"Broken", "(10.20.1.4, 239.100.2.4) ens1f0", "TTL 1", "<script>alert(1)</script>", "ttl-set 16", "docs/doctor.md#ttl",
		"Risk", "br-studio", "Not looked at: firewall, as nft is not permitted.",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("findings without %q:\n%s", want, found)
		}
	}
	if n := eval[int](l, "document.querySelectorAll('main script').length"); n != 0 {
		t.Error("evidence is markup")
	}
	if !strings.Contains(l.text("#none"), "There is no rule") {
		t.Errorf("without streams: %q", l.text("#none"))
	}
	if s := l.trouble.String(); s != "" {
		t.Errorf("the browser complains:\n%s", s)
	}
}

// A program that ends is noticed, and so is its return.
func TestNoAnswer(t *testing.T) {
	fail := make(chan bool, 1)
	failing := false
	l := newScene(t, page.Options{Routers: func(context.Context) []page.Router {
		select {
		case failing = <-fail:
		default:
		}
		if failing {
			return []page.Router{{Name: "main", Survey: func(context.Context, view.Visit) (*view.State, error) { return nil, context.DeadlineExceeded }}}
		}
		return []page.Router{{Name: "main", Survey: (&view.State{Time: time.Now()}).Survey}}
	}})
	trouble := func(want string) {
		t.Helper()
		if !netlab.Poll(deadline, func() bool {
			return strings.Contains(l.text("#trouble"), want) && (want != "") == (l.text("#trouble") != "")
		}) {
			t.Errorf("the page says %q, want %q", l.text("#trouble"), want)
		}
	}
	trouble("")
	fail <- true
	trouble("The router does not answer")
	fail <- false
	trouble("")
}

// TestPicture draws a busy router for docs/images/page.png. It takes a minute of the
// scene, in which time goes three times as fast:
//
//	PAGE_SHOTS=$PWD/docs/images go test -run TestPicture ./test/page
func TestPicture(t *testing.T) {
	if os.Getenv("PAGE_SHOTS") == "" {
		t.Skip("draws a picture for people: PAGE_SHOTS=DIRECTORY says where to put it")
	}
	start := time.Now().Add(-time.Minute)
	first := time.Now()
	vif := func(n int) *int { return &n }
	l := newScene(t, page.Options{
		Examine: func(context.Context) (diagnose.Report, error) {
			r := report()
			r.Unseen = nil
			r.Findings[0] = diagnose.Finding{
				ID: "wrong_interface", Severity: diagnose.Broken, Source: parse("10.20.1.4"), Group: parse("239.100.2.4"), Link: "ens1f1",
				Text:     "Packets arrive on ens1f1, and the rule expects them on ens1f0.",
				Evidence: []string{"ens1f1: 1,200 packets in 2 s; ens1f0: none"},
				Fix:      []string{"# in /etc/smcroute.conf, line 8:", "mroute from ens1f1 source 10.20.1.4 group 239.100.2.4 to ens2f0"},
			}
			return r, nil
		},
		Pods: func() page.Pods {
			return page.Pods{
				ByLink: map[string][]string{"cali3f2a1": {"studio/recorder-0"}, "cali88d07": {"studio/multiviewer"}},
				ByAddr: map[netip.Addr]string{netip.MustParseAddr("10.244.1.7"): "studio/encoder-1"},
			}
		},
		Routers: func(context.Context) []page.Router {
			now := start.Add(3 * time.Since(first))
			wave := func(mean, swing, period float64) float64 { // packets a second, on the average until now
				x := now.Sub(start.Add(-time.Hour)).Seconds()
				return mean + swing*period*(1-math.Cos(x/period))/x
			}
			since := start.Add(-time.Hour)
			silent := entry("10.20.1.3", "239.100.2.3", "ens1f0", 1200, since, start, "ens2f0")
			silent.Idle = view.Seconds(now.Sub(start) + 14*time.Second)
			wrong := entry("10.20.1.4", "239.100.2.4", "ens1f0", 600, since, now, "ens2f0")
			wrong.WrongIf = wrong.Packets
			learned := entry("10.244.1.7", "239.100.9.1", "cali11c02", wave(812, 60, 5), since, now, "ens2f0")
			learned.Kind = view.Learned
			origin := func(f view.Flow, line int) view.Flow {
				f.Origins = []view.Origin{{Ref: "/etc/smcroute.conf", Line: line}}
				return f
			}
			return []page.Router{{Name: "main", Survey: (&view.State{
				Time: now,
				Flows: []view.Flow{
					origin(entry("10.20.1.1", "239.100.1.1", "ens1f0", 113_300, since, now, "ens2f0", "ens2f1", "cali3f2a1", "cali88d07"), 4),
					origin(entry("10.20.1.1", "239.100.1.2", "ens1f0", 1000, since, now, "ens2f0", "ens2f1", "cali3f2a1"), 5),
					origin(entry("10.20.1.2", "239.100.2.1", "ens1f0", wave(4210, 900, 7), since, now, "ens2f0", "cali88d07"), 6),
					origin(silent, 7), origin(wrong, 8), origin(learned, 12),
					origin(entry("2001:db8:20::1", "ff35:40:2001:db8:20::1:5", "ens1f0", wave(2600, 1100, 3), since, now, "ens2f1"), 9),
				},
				Rules: []view.Rule{{Group: parse("239.200.0.0/16"), IIF: "ens1f1", OIFs: []string{"ens2f0"}, Origin: view.Origin{Ref: "/etc/smcroute.conf", Line: 13}, Traffic: view.Traffic{Age: -1, Idle: -1}}},
				Pending: []view.Pending{{
					Kind: "mroute", Source: parse("10.20.1.9"), Group: parse("239.100.3.1"), IIF: "ens1f0", OIFs: []string{"vlan310"},
					Cause: "no_interface", Reason: "no interface vlan310", Origin: view.Origin{Ref: "/etc/smcroute.conf", Line: 10},
				}},
				Links: []view.Link{
					{Index: 2, Name: "ens1f0", Up: true, Multicast: true, VIF: vif(0), MIF: vif(0)},
					{Index: 3, Name: "ens1f1", Up: true, Multicast: true, VIF: vif(1), MIF: vif(1)},
					{Index: 4, Name: "ens2f0", Up: true, Multicast: true, VIF: vif(2), MIF: vif(2)},
					{Index: 5, Name: "ens2f1", Multicast: true, VIF: vif(3), MIF: vif(3)},
					{Index: 9, Name: "cali3f2a1", Up: true, Multicast: true, VIF: vif(4)},
					{Index: 10, Name: "cali88d07", Up: true, Multicast: true, VIF: vif(5)},
					{Index: 12, Name: "cali11c02", Up: true, Multicast: true, VIF: vif(6)},
				},
				Joined: make([]view.Membership, 9),
				Counts: view.Counts{Learned: 1, Limit: 65536},
			}).Survey}}
		},
	})
	time.Sleep(25 * time.Second) // it is a picture of that time
	l.shot("page", scheme("light"))
	t.Logf("the picture is %s", filepath.Join(os.Getenv("PAGE_SHOTS"), "page.png"))
}
