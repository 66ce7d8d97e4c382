package script

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// runMetrics asks a daemon with --metrics unix://NS.metrics for its metrics, in which
// Prometheus' own checker must find nothing to complain of.
func runMetrics(l *lab, args []string) (result, error) {
	var client http.Client
	client.Timeout = deadline
	client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", l.ts.MkAbs(args[0]+".metrics"))
	}}
	answer, err := client.Get("http://smcrouted/metrics")
	if err != nil {
		return result{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return result{}, fmt.Errorf("%s: %w", answer.Status, err)
	}
	problems, err := promlint.New(strings.NewReader(string(text))).Lint()
	if err != nil || len(problems) > 0 {
		return result{}, fmt.Errorf("promlint: %v, %v", problems, err)
	}
	return result{stdout: string(text)}, nil
}
