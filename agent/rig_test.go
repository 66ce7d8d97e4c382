package agent_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// rig is an agent on a simulated kernel, with a real configuration file and
// client socket, until the test ends.
type rig struct {
	*agent.Agent
	t        *testing.T
	dir      string // of conf, sock
	host     *sim.Host
	log      *programs.Output
	reloaded atomic.Int32
	killed   atomic.Int32
	cancel   context.CancelFunc
	ended    chan error
}

// newRig prepares an agent with links a0, a1, b0 and b1, and this text in its
// configuration file; "-" is no file.
func newRig(t *testing.T, conf string) *rig {
	t.Helper()
	// Not t.TempDir, whose long names don't fit into a socket's address.
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &rig{t: t, dir: dir, host: sim.New(), log: &programs.Output{}, ended: make(chan error, 1)}
	for _, l := range []string{"a0", "a1", "b0", "b1"} {
		r.host.AddLink(l)
	}
	if conf != "-" {
		r.write("conf", conf)
	}
	return r
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(r.path(name), []byte(strings.ReplaceAll(text, "DIR", r.dir)), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// options are those of the agent but for what a test sets.
func (r *rig) options() agent.Options {
	r.t.Helper()
	k, err := r.host.Open(0)
	if err != nil {
		r.t.Fatal(err)
	}
	o := r.base()
	o.Kernel = k
	return o
}

// base are the options without a kernel.
func (r *rig) base() agent.Options {
	return agent.Options{
		ConfFile:   r.path("conf"),
		Socket:     r.path("sock"),
		Logger:     slog.New(slog.NewTextHandler(r.log, nil)),
		OnReloaded: func() { r.reloaded.Add(1) },
		OnKill:     func() { r.killed.Add(1) },
	}
}

// start runs the agent and waits until it is ready.
func (r *rig) start(o agent.Options) {
	r.t.Helper()
	ready := make(chan struct{})
	started := false
	o.OnStarted = func() { started = true }
	o.OnReady = func() {
		if !started {
			r.t.Error("ready before it has started")
		}
		close(ready)
	}
	a, ended := agent.New(o), make(chan error, 1) // it may be the second one
	r.Agent, r.ended = a, ended
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { ended <- a.Run(ctx) }()
	r.t.Cleanup(func() {
		if err := r.stop(); err != nil {
			r.t.Errorf("Run: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-r.ended:
		r.ended <- err
		r.t.Fatalf("Run: %v", err)
	case <-time.After(time.Minute):
		r.t.Fatalf("not ready; log:\n%v", r.log)
	}
}

func (r *rig) stop() error {
	r.cancel()
	err := <-r.ended
	r.ended <- err
	return err
}

// run starts an agent with this file.
func run(t *testing.T, conf string) *rig {
	t.Helper()
	r := newRig(t, conf)
	r.start(r.options())
	return r
}

// do sends a command of smcroutectl on a connection of its own. It returns the
// listing.
func (r *rig) do(cmd ipc.Command, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := ipc.Dial(ctx, r.path("sock"))
	if err != nil {
		return "", err
	}
	defer c.Close()
	var out bytes.Buffer
	err = c.Do(ctx, ipc.Request{Command: cmd, Args: args}, &out)
	return out.String(), err
}

func (r *rig) must(cmd ipc.Command, args ...string) string {
	r.t.Helper()
	text, err := r.do(cmd, args...)
	if err != nil {
		r.t.Errorf("%v %q: %v", cmd, args, err)
	}
	return text
}

// out says where a packet would leave, "-" for nowhere.
func (r *rig) out(link, source, group string) string {
	o := r.host.Outputs(link, flow(source, group), 64)
	if len(o) == 0 {
		return "-"
	}
	return strings.Join(o, " ")
}

func flow(source, group string) mroute.SG {
	return mroute.SG{Source: netip.MustParseAddr(source), Group: netip.MustParseAddr(group)}
}

func (r *rig) await(what string, cond func() bool) {
	r.t.Helper()
	if !netlab.Poll(time.Minute, cond) {
		r.t.Fatalf("timed out waiting for %s; log:\n%v", what, r.log)
	}
}

func is[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
