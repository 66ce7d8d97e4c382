package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"

	"github.com/smcroute/kube-smcroute/cmd/internal/logging"
)

// connection logs when the API server is lost and found again, and what it
// refuses: once, where client-go would at every attempt.
type connection struct {
	log *slog.Logger

	mu      sync.Mutex
	lost    bool
	refused map[string]string // last refusal by type
}

func newConnection(log *slog.Logger) *connection {
	return &connection{log: log, refused: map[string]string{}}
}

// observe wraps the transport of a client.
func (c *connection) observe(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		switch {
		case err == nil:
			c.found()
		case req.Context().Err() == nil && !errors.Is(err, context.Canceled):
			c.lose(err)
		}
		return resp, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func (c *connection) lose(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.lost {
		c.log.Warn("The API server does not answer: what is programmed stays, and it is tried again", "error", err)
	}
	c.lost = true
}

func (c *connection) found() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost {
		c.log.Log(context.Background(), logging.LevelNotice, "The API server answers again")
	}
	c.lost = false
}

// watchFailed is for watches that ended. That they do now and then is normal.
func (c *connection) watchFailed(_ context.Context, r *cache.Reflector, err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return // of the transport
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused[r.TypeDescription()] != err.Error() {
		c.log.Warn("The API server refuses to list what is wanted: what is programmed stays, and it is tried again",
			"type", r.TypeDescription(), "error", err)
	}
	c.refused[r.TypeDescription()] = err.Error()
}
