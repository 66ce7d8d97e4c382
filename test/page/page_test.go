package page

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// A stream flows, stops, and flows again; a rule waits for an interface; and the
// page tells of it. Names that would be markup are text.
func TestPage(t *testing.T) {
	l := newLab(t,
		"mroute from in source 192.0.2.1 group 239.1.1.1 to out "+hostile,
		"mroute from in source 192.0.2.2 group 239.1.1.2 to out",
		"mroute from in source 192.0.2.3 group 239.1.1.3 to later",
		"mroute from in group 239.2.0.0/16 to out",
	)
	l.browse()
	l.await("No packet yet", "239.1.1.1", "192.0.2.1", "in", "out", hostile)
	l.await("Pending", "239.1.1.3", "192.0.2.3", "later", "no interface later")

	packet := netlab.Packet{Src: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr("239.1.1.1"), TTL: 16, Payload: make([]byte, 1000)}
	stream := l.sender.Stream(t.Context(), "eth0", packet, 100)
	l.await("Flowing", "239.1.1.1")
	// What 100 packets a second of a thousand bytes come to, as far as a busy machine sends them.
	rate := regexp.MustCompile(`(?s)239\.1\.1\.1.*?([\d.,]+)\s+([\d.]+)\s*kbit`)
	if !netlab.Poll(deadline, func() bool {
		m := rate.FindStringSubmatch(l.row("Flowing", "239.1.1.1"))
		if m == nil {
			return false
		}
		packets, _ := strconv.ParseFloat(strings.ReplaceAll(m[1], ",", ""), 64)
		kbits, _ := strconv.ParseFloat(m[2], 64)
		return packets > 80 && packets < 120 && kbits > 600 && kbits < 1100
	}) {
		t.Fatalf("no rate of about 100 packets and 832 kbit a second; the row: %q", l.row("239.1.1.1"))
	}

	t.Run("hostile names", func(t *testing.T) {
		if n := eval[int](l, "document.querySelectorAll('main b, main script').length"); n != 0 {
			t.Errorf("the interface %s is markup", hostile)
		}
		if links := l.text("#links"); !strings.Contains(links, hostile) {
			t.Errorf("the table of interfaces has no %s:\n%s", hostile, links)
		}
	})

	t.Run("learned flow", func(t *testing.T) {
		if rule := l.row("No packet yet", "239.2.0.0/16"); rule == "" {
			t.Error("the rule without a stream is not there")
		}
		l.sender.Send("eth0", netlab.Packet{Src: netip.MustParseAddr("192.0.2.9"), Group: netip.MustParseAddr("239.2.3.4"), TTL: 16})
		l.await("239.2.3.4", "192.0.2.9", "in", "out")
	})

	t.Run("filter", func(t *testing.T) {
		l.do("filtering", chromedp.SendKeys(chromedp.CSS("#text"), "239.1.1.3"))
		l.await("239.1.1.3")
		if !netlab.Poll(deadline, func() bool { return l.row("239.1.1.1") == "" }) {
			t.Error("other groups are there")
		}
		l.clearFilter()
		l.await("239.1.1.1")
	})

	t.Run("details by keyboard", func(t *testing.T) {
		eval[bool](l, "document.querySelector('tr.flowing .state').focus(), true")
		l.do("pressing Enter", chromedp.KeyEvent("\r"))
		if detail := l.text("tr.detail"); !strings.Contains(detail, "conf:1") || !strings.Contains(detail, "a rule for this sender and group") {
			t.Errorf("details: %q", detail)
		}
		l.do("pressing Enter", chromedp.KeyEvent("\r"))
		if detail := l.text("tr.detail"); detail != "" {
			t.Errorf("details that were closed: %q", detail)
		}
	})

	t.Run("findings", func(t *testing.T) {
		if !netlab.Poll(deadline, func() bool {
			found := l.text("#findings")
			return strings.Contains(found, "239.1.1.3") && strings.Contains(found, "later")
		}) {
			t.Errorf("nothing is said of the rule that waits for an interface:\n%s", l.text("#doctor"))
		}
	})

	l.shot("light", scheme("light"))
	l.shot("dark", scheme("dark"))
	l.shot("narrow", scheme("light"), chromedp.EmulateViewport(390, 844))
	l.do("widening", chromedp.EmulateViewport(1280, 800))

	if _, err := stream.Stop(); err != nil {
		t.Fatal(err)
	}
	l.await("Silent", "239.1.1.1")
	l.reload("mroute from in source 192.0.2.1 group 239.1.1.1 to out " + hostile)
	if !netlab.Poll(deadline, func() bool { return l.row("Pending") == "" }) {
		t.Errorf("what is no longer in the file is still there: %s", l.text("#streams"))
	}

	if s := l.trouble.String(); s != "" {
		t.Errorf("the browser complains:\n%s", s)
	}
}

// scheme has the page drawn light or dark.
func scheme(name string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
		})
		return err
	})
}

// reload gives smcrouted another configuration.
func (l *lab) reload(conf ...string) {
	l.Helper()
	l.configure(conf...)
	if out, err := exec.Command("smcroutectl", "-u", filepath.Join(l.dir, "sock"), "reload").CombinedOutput(); err != nil {
		l.Fatalf("smcroutectl reload: %v\n%s", err, out)
	}
}

// A page of another site, whose name leads here, gets nothing; neither does one
// that asks from where it is.
func TestOtherSites(t *testing.T) {
	l := newLab(t)
	r, err := http.NewRequest(http.MethodGet, "http://"+l.addr+"/api/state", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("as evil.example: %s", answer.Status)
	}
	evil := l.serveEvil()
	l.browse()
	l.do("opening a page of another site", chromedp.Navigate("http://"+evil+"/"))
	script := fmt.Sprintf("fetch('http://%s/api/state').then((r) => r.text()).catch((e) => 'refused: ' + e)", l.addr)
	if got := eval[string](l, script, chromedp.EvalAwaitPromise); !strings.HasPrefix(got, "refused") {
		t.Errorf("a page of another site got %q", got)
	}
}
