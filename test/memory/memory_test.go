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

// A document is written while the router is gone over, and several clients have theirs
// two at a time.
func TestDocument(t *testing.T) {
	d := start(t)
	document := func() {
		c, err := ipc.Dial(t.Context(), d.socket)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		var got count
		if err := c.Do(t.Context(), ipc.Request{Command: ipc.State}, &got); err != nil || got < 300*routes {
			t.Errorf("a document of %d bytes: %v", got, err)
		}
	}
	d.atMost(most, "a document", document)
	d.atMost(most, "eight documents", func() {
		var all sync.WaitGroup
		for range 8 {
			all.Go(document)
		}
		all.Wait()
	})
}
