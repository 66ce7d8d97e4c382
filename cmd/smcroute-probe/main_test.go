package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
)

// serve serves h on a socket, whose path it returns.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return path
}

func TestRun(t *testing.T) {
	socket := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz":
			fmt.Fprintln(w, "ok")
		case "/moved":
			http.Redirect(w, r, "/healthz", http.StatusFound)
		case "/long":
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
		default:
			http.Error(w, "[-]manifests failed", http.StatusInternalServerError)
		}
	})
	none := filepath.Join(t.TempDir(), "none")
	for _, tt := range []struct {
		args string
		code int
		want string // of the output, "" for none
	}{
		{socket + " /healthz", exitcode.OK, ""},
		{socket + " /readyz", exitcode.Failure, "/readyz: 500 Internal Server Error\n[-]manifests failed"},
		{socket + " /moved", exitcode.Failure, "/moved: 302 Found"},
		{socket + " /long", exitcode.Failure, strings.Repeat("x", longest)},
		{none + " /healthz", exitcode.Failure, none + ": connect: no such file or directory"},
		{"@none /healthz", exitcode.Failure, "./@none: connect: no such file or directory"},
		{"", exitcode.Usage, "expected SOCKET /PATH"},
		{socket, exitcode.Usage, "expected SOCKET /PATH"},
		{socket + " healthz", exitcode.Usage, "expected SOCKET /PATH"},
		{socket + " /healthz more", exitcode.Usage, "expected SOCKET /PATH"},
		{"--help", exitcode.OK, "SOCKET PATH"},
		{"--version", exitcode.OK, "smcroute-probe v"},
	} {
		var out bytes.Buffer
		code := run(strings.Fields(tt.args), &out, &out)
		if code != tt.code || !strings.Contains(out.String(), tt.want) || (tt.want == "" && out.Len() > 0) || out.Len() > 2*longest {
			t.Errorf("%s: exit code %d, want %d; output, want %q:\n%s", tt.args, code, tt.code, tt.want, out.String())
		}
	}
}

// One that does not answer fails, too.
func TestTimeout(t *testing.T) {
	answer := make(chan struct{})
	socket := serve(t, func(http.ResponseWriter, *http.Request) { <-answer })
	defer close(answer)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := probe(ctx, socket, "/healthz"); err == nil || !strings.Contains(err.Error(), "deadline exceeded") {
		t.Errorf("error %v, want that of the deadline", err)
	}
}
