package memory

import (
	"fmt"
	"net"
	"testing"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// A scrape adds up 100,000 entries as it goes over them, and keeps some bytes of each for
// the next. With a list of them it takes 180 MiB; as it is, 57.
func TestScrape(t *testing.T) {
	const most = 75
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
