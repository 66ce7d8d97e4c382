package main

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/page"
)

// The page has all routers of the node, its own first.
func TestUI(t *testing.T) {
	n := newLab(t)
	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1")+manifest("b", "225.1.2.4", "eth1")+"  table: 7\n")
	n.start("--manifests", n.path("m"), "--ui=127.0.0.1:8473")
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: n.dial}}
	get := func(query string) (d page.Document) {
		answer, err := client.Get("http://127.0.0.1:8473/api/page" + query)
		if err != nil {
			return d
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err == nil && answer.StatusCode == http.StatusOK {
			err = json.Unmarshal(text, &d)
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", answer.Status, err, text)
		}
		return d
	}
	group := func(d page.Document) string {
		if len(d.Rows) == 0 {
			return ""
		}
		return d.Rows[0].Group
	}
	n.await("the node's own router", func() bool {
		d := get("")
		return d.Router == "main" && slices.Equal(d.Routers, []string{"main", "table 7"}) && group(d) == "225.1.2.3"
	})
	n.await("the other one", func() bool { return group(get("?router=table+7")) == "225.1.2.4" })
}
