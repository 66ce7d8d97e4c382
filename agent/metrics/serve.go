package metrics

import (
	"context"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Times that a client has for its request and for reading the answer, and that a
// connection may be idle.
const (
	requestTime = 5 * time.Second
	answerTime  = 30 * time.Second
	idleTime    = 2 * time.Minute
)

// Serve serves /metrics until ctx is done, and returns nil then. l is closed.
func Serve(ctx context.Context, l net.Listener, c *Collector) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", c)
	server := &http.Server{
		Handler: mux, ReadTimeout: requestTime, WriteTimeout: answerTime, IdleTimeout: idleTime, MaxHeaderBytes: 1 << 14,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); ctx.Err() == nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// ServeHTTP implements [http.Handler]: it answers with all metrics, in the format
// that the client asks for.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := wanted(r.Header.Values("Accept"))
	w.Header().Set("Content-Type", f.ContentType())
	_ = Write(w, f, c.Families(r.Context())) // the client is gone
}

// wanted is the format that a client likes best, of Accept headers (RFC 9110,
// section 12.5.1). What cannot be understood does not count.
func wanted(accept []string) Format {
	open, text := 0.0, 0.0
	for _, part := range strings.Split(strings.Join(accept, ","), ",") {
		kind, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if s, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(s, 64); err != nil || q < 0 || q > 1 {
				continue
			}
		}
		switch v := params["version"]; kind {
		case "application/openmetrics-text":
			if v == "" || v == "1.0.0" {
				open = max(open, q)
			}
		case "text/plain", "text/*", "*/*":
			text = max(text, q)
		}
	}
	if open > 0 && open >= text {
		return OpenMetrics
	}
	return Text
}
