package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/smcroute/kube-smcroute/agent/metrics"
)

// scrape asks for metrics in a format.
func (n *lab) scrape(accept string) (kind, text string) {
	n.t.Helper()
	client := http.Client{Timeout: soon, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return n.dial(ctx, network, addr)
	}}}
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, "http://127.0.0.1:8472/metrics", nil)
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	answer, err := client.Do(r)
	if err != nil {
		return "", ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		n.t.Errorf("%s: %s %v", answer.Status, body, err)
	}
	return answer.Header.Get("Content-Type"), string(body)
}

// An agent tells what smcrouted tells, with routes by the names of their objects.
func TestMetrics(t *testing.T) {
	n := newLab(t)
	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1"))
	n.start("--manifests", n.path("m"), "--metrics-bind-address=127.0.0.1:8472", "--metrics-flows=1")
	n.awaitForwarding("192.0.2.1", "225.1.2.3")
	var text string
	defer func() {
		if t.Failed() {
			t.Log(text)
		}
	}()
	n.await("the route's packets", func() bool {
		_, text = n.scrape("")
		return strings.Contains(text, `smcroute_route_packets_total{route="default/a",router="main"}`) &&
			!strings.Contains(text, `smcroute_route_packets_total{route="default/a",router="main"} 0`)
	})
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "smcroute_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for _, d := range metrics.All() {
		// What never happened here has no series.
		rare := d.Name == "smcroute_kernel_errors_total" || strings.HasPrefix(d.Name, "smcroute_config_reload")
		if has := bytes.Contains([]byte(text), []byte("# TYPE "+d.Name+" "+d.Kind.String()+"\n")); !has && !rare {
			t.Errorf("%s is not there", d.Name)
		}
	}
	kind, text := n.scrape("application/openmetrics-text;version=1.0.0")
	if !strings.HasPrefix(kind, "application/openmetrics-text") || !strings.HasSuffix(text, "# EOF\n") {
		t.Errorf("%s: %.100s", kind, text)
	}
}
