package fleet

import (
	"context"
	"errors"
	"net"
	"testing"
)

// TestConnectionsWait has no more of them than there may be.
func TestConnectionsWait(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f := &Fleet{open: make(chan struct{}, 1)}
	dial := func() (net.Conn, error) { return f.dial(t.Context(), "tcp", l.Addr().String()) }
	one, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	never, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.dial(never, "tcp", l.Addr().String()); !errors.Is(err, context.Canceled) {
		t.Errorf("a second one: %v", err)
	}
	_ = one.Close()
	_ = one.Close() // which makes no more room
	two, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	if len(f.open) != 1 || f.Traffic().Dialled != 2 {
		t.Errorf("%d are open, of %d", len(f.open), f.Traffic().Dialled)
	}
	_ = two.Close()
	l.Close()
	if _, err := dial(); err == nil || len(f.open) != 0 {
		t.Errorf("one that nobody takes: %v, and %d are open", err, len(f.open))
	}
}
