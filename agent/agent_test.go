package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// When Run returns the kernel's tables are empty, the socket's file is gone, and
// no goroutine is left.
func TestEnd(t *testing.T) {
	before := runtime.NumGoroutine()
	r := run(t, oneRoute)
	for range 3 { // clients that stay
		c, err := ipc.Dial(t.Context(), r.path("sock"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	is(t, "while running", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if s := r.host.String(); strings.Contains(s, "vif") || strings.Contains(s, "mfc") || strings.Contains(s, "member") {
		t.Errorf("left in the kernel:\n%s", s)
	}
	if _, err := os.Lstat(r.path("sock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_ = r.Reload(ctx) // returns
	r.await("goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
}

// A socket that another daemon answers at is an error, and the kernel's table is
// given back.
func TestSocketInUse(t *testing.T) {
	r := run(t, oneRoute)
	second := newRig(t, "-")
	o := second.options()
	o.Socket = r.path("sock")
	o.OnStarted = func() { t.Error("started without a socket") }
	o.OnReady = func() { t.Error("ready without a socket") }
	if err := agent.New(o).Run(t.Context()); !errors.Is(err, ipc.ErrInUse) {
		t.Errorf("Run: %v, want %v", err, ipc.ErrInUse)
	}
	if len(second.host.Kernels()) != 0 {
		t.Error("the kernel is still open")
	}
	is(t, "the first daemon's socket", r.must(ipc.Show) != "", true)
}

// blind is a kernel that cannot list its links.
type blind struct{ *sim.Kernel }

var errBlind = errors.New("cannot see")

func (blind) Links() ([]mroute.Link, error) { return nil, errBlind }

// If the router cannot start, the agent ends with the reason, and is never ready.
func TestRouterFails(t *testing.T) {
	for _, conf := range []string{oneRoute, "-"} {
		r := newRig(t, conf)
		o := r.options()
		o.Kernel = blind{o.Kernel.(*sim.Kernel)}
		o.OnStarted = func() { t.Error("started without a router") }
		o.OnReady = func() { t.Error("ready without a router") }
		if err := agent.New(o).Run(t.Context()); !errors.Is(err, errBlind) {
			t.Errorf("Run: %v", err)
		}
		if len(r.host.Kernels()) != 0 {
			t.Error("the kernel is still open")
		}
	}
}

var _ kernel.Kernel = blind{}

// Many clients at once, reloads among them. Run with -race.
func TestManyClients(t *testing.T) {
	r := run(t, oneRoute)
	var wg sync.WaitGroup
	for c := range 8 {
		wg.Go(func() {
			for i := range 12 {
				group := fmt.Sprintf("225.2.%d.%d", c, i)
				r.must(ipc.Add, "a0", "10.0.0.1", group, "b0")
				r.must(ipc.Show)
				if c == 0 && i%4 == 0 {
					r.must(ipc.Reload)
				}
				_, _ = r.do(ipc.Remove, "a0", "10.0.0.1", group) // a reload may have been faster
			}
		})
	}
	wg.Wait()
	r.must(ipc.Reload)
	is(t, "the file's route", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
	if s := r.host.String(); strings.Contains(s, "225.2.") {
		t.Errorf("left over:\n%s", s)
	}
}
