package memory

import (
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// most is how much memory smcrouted may take, in MiB. It takes 62 at most; it had peaks of
// 180 and 300 when lists of all were made.
const most = 75

// A scrape adds up 100,000 entries as it goes over them, and keeps some bytes of each for
// the next.
func TestScrape(t *testing.T) {
	d := start(t)
	const entries = `smcroute_entries{router="main",family="ipv4",kind="static"} `
	scrape := func() string {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", d.metrics)
		if err != nil {
			t.Fatal(err)
		}
		return get(t, conn, "/metrics", entries)
	}
	d.atMost(most, "a scrape", func() {
		if got, want := scrape(), fmt.Sprint(entries, routes); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	d.add("10.200.0.1")
	d.atMost(most, "another one", func() {
		want := fmt.Sprint(entries, routes+1)
		netlab.Await(t, deadline, func() bool { return scrape() == want }, "a scrape that is not the one before")
	})
}

// count is how many bytes were written to it.
type count int

func (c *count) Write(p []byte) (int, error) {
	*c += count(len(p))
	return len(p), nil
}

// ask has a client ask for something long.
func (d *daemon) ask(c ipc.Command) {
	d.Helper()
	client, err := ipc.Dial(d.Context(), d.socket)
	if err != nil {
		d.Error(err)
		return
	}
	defer client.Close()
	var got count
	if err := client.Do(d.Context(), ipc.Request{Command: c}, &got); err != nil || got < 100*routes {
		d.Errorf("%v: %d bytes, %v", c, got, err)
	}
}

// Documents, and SMCRoute's own listings, are written while the router is gone over, and
// several clients have theirs two at a time.
func TestDocument(t *testing.T) {
	d := start(t)
	eight := func(of ...ipc.Command) func() {
		return func() {
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() { d.ask(of[i%len(of)]) })
			}
			all.Wait()
		}
	}
	// What takes least comes first, since not all memory is given back at once.
	d.atMost(most, "a document", func() { d.ask(ipc.State) })
	d.atMost(most, "eight at once", eight(ipc.State))
	// Of these the text of exact rules waits for that of templates. It takes up to 98.
	const listed = 110
	for _, c := range []ipc.Command{ipc.Show, ipc.ShowDetail, ipc.ShowJSON} {
		d.atMost(listed, c.String(), func() { d.ask(c) })
	}
	d.atMost(listed, "eight of both", eight(ipc.State, ipc.ShowDetail))
}

// With more links than a table has room for there are several, which are gone over at the
// same time. It takes 77, which the start has left, and had a peak of 180 when what tables
// have was gathered first.
func TestTables(t *testing.T) {
	var links []string
	for i := range 100 {
		links = append(links, fmt.Sprint("n", i))
	}
	const most = 95
	d := startAmong(t, links...)
	d.atMost(most, "a document", func() { d.ask(ipc.State) })
}

// The page shows 200 streams of 100,000, and finds each of them: of all it keeps what it
// needs for that, as its doctor keeps the thousand that are examined. It takes up to 91, and
// had peaks of 250, with a second one of 510, and with findings of 590.
func TestPage(t *testing.T) {
	d := start(t)
	ask := func(path, want string) string {
		var conn net.Conn
		if err := d.node.Do(func() (err error) {
			conn, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", d.page)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return get(t, conn, path, want)
	}
	const most = 110
	d.atMost(most, "a page", func() { ask("/api/page", "{") })
	d.atMost(most, "the next one", func() { ask("/api/page?after=1&q=232.0.0.7", "{") })
	d.atMost(most, "findings", func() { ask("/api/findings", "{") })
}
