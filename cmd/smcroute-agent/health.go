package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/healthz"

	"github.com/smcroute/kube-smcroute/agent/ipc"
)

// answerTime is how long the router may take to answer a probe. Reading a large
// configuration takes a while.
const answerTime = 5 * time.Second

// unixScheme begins the address of a unix socket.
const unixScheme = "unix://"

// listenProbes returns nil if there are to be none. An address that cannot be
// had shows at once: else another program would be probed in our place.
func (s *service) listenProbes() (l net.Listener, err error) {
	path, unix := strings.CutPrefix(s.health, unixScheme)
	switch {
	case s.health == "0" || s.health == "":
		return nil, nil
	case unix:
		l, err = ipc.ListenSocket(path, 0o600)
	default:
		l, err = net.Listen("tcp", s.health)
	}
	if err != nil {
		return nil, fmt.Errorf("--health-probe-bind-address: %w", err)
	}
	return l, nil
}

// serveProbes serves /healthz, whether the router answers, and /readyz, whether
// what the sources ask for has been programmed once. Who stands by is healthy,
// and is ready when it knows of the objects: nothing but the tables is missing,
// and the agent that it is to replace ends only then.
func (s *service) serveProbes(ctx context.Context, l net.Listener) error {
	if l == nil {
		return nil
	}
	alive := map[string]healthz.Checker{"router": s.alive}
	ready := map[string]healthz.Checker{"router": s.alive, "conf-file": s.confLoaded}
	if s.manifests != "" {
		ready["manifests"] = s.programmed
	} else {
		ready["kubernetes"] = s.programmed
	}
	mux := http.NewServeMux()
	for path, checks := range map[string]map[string]healthz.Checker{"/healthz": alive, "/readyz": ready} {
		h := s.whenOnTurn(http.StripPrefix(path, &healthz.Handler{Checks: checks}), path == "/readyz")
		mux.Handle(path, h)
		mux.Handle(path+"/", h)
	}
	if err := serveHTTP(ctx, l, mux); err != nil {
		return fmt.Errorf("health probes: %w", err)
	}
	return nil
}

// serveHTTP serves until ctx is done, and returns nil then.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: answerTime, IdleTimeout: time.Minute, MaxHeaderBytes: 1 << 16}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}

// whenOnTurn answers in the place of h, which says whether the agent is ready or
// else healthy, as long as there are no tables.
func (s *service) whenOnTurn(h http.Handler, ready bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case closed(s.has):
			h.ServeHTTP(w, r)
		case closed(s.waits) && ready && !closed(s.knows):
			http.Error(w, "standing by, but "+errNoObjects.Error(), http.StatusServiceUnavailable)
		case closed(s.waits):
			fmt.Fprintln(w, "ok: standing by, another agent has the tables")
		case closed(s.lacking) && !ready: // another start would not help
			fmt.Fprintln(w, "ok: waiting for the keeper, which may have the tables")
		default:
			http.Error(w, "the tables are being claimed", http.StatusServiceUnavailable)
		}
	})
}

func (s *service) alive(r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	return s.agent.Alive(ctx)
}

func (s *service) confLoaded(*http.Request) error {
	select {
	case <-s.loaded:
		return nil
	default:
		return errors.New("the configuration file is being read")
	}
}

var errNoObjects = errors.New("no objects have been read yet")

func (s *service) programmed(*http.Request) error {
	if !s.programmer.Ready() {
		return errNoObjects
	}
	return nil
}
