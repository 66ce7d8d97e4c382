package agent_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// rig is an agent on a simulated kernel, with a real configuration file and
// client socket, until the test ends.
type rig struct {
	*agent.Agent
	t        *testing.T
	dir      string // of conf, sock
	host     *sim.Host
	log      *lines
	reloaded atomic.Int32
	killed   atomic.Int32
	cancel   context.CancelFunc
	ended    chan error
}

// lines are what was logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// take returns what was logged since the last call.
func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.b.String()
	l.b.Reset()
	return s
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
	r := &rig{t: t, dir: dir, host: sim.New(), log: &lines{}, ended: make(chan error, 1)}
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
	case <-time.After(10 * time.Second):
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
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(10 * time.Second)
	for !cond() {
		select {
		case <-poll.C:
		case <-deadline:
			r.t.Fatalf("timed out waiting for %s; log:\n%v", what, r.log)
		}
	}
}

func is[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

const oneRoute = "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0\n"

// Commands through the socket are in the kernel when their reply comes.
func TestCommands(t *testing.T) {
	r := run(t, oneRoute)
	is(t, "from the file", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
	r.must(ipc.Add, "a0", "10.0.0.1", "225.1.1.1", "b1")
	is(t, "add", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0 b1")
	r.must(ipc.Remove, "a0", "10.0.0.1", "225.1.1.1", "b0")
	is(t, "remove an output", r.out("a0", "10.0.0.1", "225.1.1.1"), "b1")
	r.must(ipc.Remove, "a0", "10.0.0.1", "225.1.1.1")
	is(t, "remove", r.out("a0", "10.0.0.1", "225.1.1.1"), "-")
	r.must(ipc.Join, "a0", "10.0.0.1", "232.1.1.1")
	is(t, "join", fmt.Sprint(r.host.Memberships("a0")), "[(10.0.0.1, 232.1.1.1)]")
	r.must(ipc.Leave, "a0", "10.0.0.1", "232.1.1.1")
	is(t, "leave", len(r.host.Memberships("a0")), 0)
	r.must(ipc.Reload)
	is(t, "reload", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
	is(t, "reloads", r.reloaded.Load(), 1)
}

// A wish that cannot be met is refused with a sentence that names it, and
// nothing else happens.
func TestRefusals(t *testing.T) {
	r := run(t, oneRoute)
	for _, tt := range []struct {
		cmd  ipc.Command
		args string
		want []string // in the text
	}{
		{ipc.Remove, "a0 10.0.0.1 225.9.9.9", []string{"no such multicast route", "(10.0.0.1, 225.9.9.9)", "a0"}},
		{ipc.Remove, "a1 10.0.0.1 225.1.1.1", []string{"no such multicast route", "a1"}},
		{ipc.Remove, "a0 10.0.0.1 225.1.1.1 b1", []string{"(10.0.0.1, 225.1.1.1)", "b1"}},
		{ipc.Leave, "a0 225.9.9.9", []string{"no such group membership", "(*, 225.9.9.9)", "a0"}},
		{ipc.Add, "a0 10.0.0.1 225.1.1.1/99 b0", []string{"225.1.1.1", "99"}},
		{ipc.Add, "a0 10.0.0.1 ff05::1 b0", []string{"10.0.0.1", "ff05::1"}},
		{ipc.Add, "a0 10.0.0.1", []string{"10.0.0.1"}},
		{ipc.Join, "a0 10.0.0.1", []string{"10.0.0.1"}},
		{ipc.Join, "a0", []string{"no group"}},
		{ipc.Add, "a0 :: :: 65536 b0", []string{"65536"}},
	} {
		_, err := r.do(tt.cmd, strings.Fields(tt.args)...)
		var refusal *ipc.Refusal
		if !errors.As(err, &refusal) {
			t.Errorf("%v %s: %v, want a refusal", tt.cmd, tt.args, err)
			continue
		}
		for _, w := range tt.want {
			if !strings.Contains(refusal.Text, w) {
				t.Errorf("%v %s: %q does not say %q", tt.cmd, tt.args, refusal.Text, w)
			}
		}
	}
	is(t, "the route", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
}

func TestShow(t *testing.T) {
	r := run(t, oneRoute+"mroute from a0 group 225.2.0.0/16 to b0 ghost\nmgroup from a0 group 225.3.3.3\n")
	r.host.Send("a0", flow("10.0.0.7", "225.2.2.2"), 64, r.host.Now())
	for _, tt := range []struct {
		cmd  ipc.Command
		args []string
		want []string
	}{
		{ipc.Show, nil, []string{"(*, 225.2.0.0/16)", "(10.0.0.1, 225.1.1.1)", "(10.0.0.7, 225.2.2.2)"}},
		{ipc.Show, []string{"groups"}, []string{"(*, 225.3.3.3)"}},
		{ipc.Show, []string{"i"}, []string{"lo", "a0", "N/A"}},
		{ipc.Show, []string{"pending"}, []string{"mroute  from a0 group 225.2.0.0/16 to b0 ghost"}},
		{ipc.ShowDetail, nil, []string{"PACKETS", " 100 "}},
		{ipc.ShowJSON, nil, []string{`"source":"10.0.0.1","group":"225.1.1.1","iif":"a0","oifs":["b0"]`}},
	} {
		r.await(fmt.Sprintf("%v %v to say %q", tt.cmd, tt.args, tt.want), func() bool {
			text := r.must(tt.cmd, tt.args...)
			for _, w := range tt.want {
				if !strings.Contains(text, w) {
					return false
				}
			}
			return true
		})
	}
}

func TestFlush(t *testing.T) {
	r := run(t, "mroute from a0 group 225.1.1.1 to b0\n")
	r.host.Send("a0", flow("10.0.0.1", "225.1.1.1"), 64, r.host.Now())
	r.await("the flow to be learned", func() bool { return r.out("a0", "10.0.0.1", "225.1.1.1") == "b0" })
	r.must(ipc.Flush)
	is(t, "after one flush", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
	r.must(ipc.Flush)
	is(t, "after two", r.out("a0", "10.0.0.1", "225.1.1.1"), "-")
}

// Kill tells the program to end; the client has its reply.
func TestKill(t *testing.T) {
	r := run(t, "")
	r.must(ipc.Kill)
	is(t, "asked to end", r.killed.Load(), 1)
	is(t, "still answering", len(r.must(ipc.Show)), 0)
}

// A reload brings in what the file says now, and drops what clients changed.
func TestReload(t *testing.T) {
	r := run(t, oneRoute)
	r.must(ipc.Add, "a1", "10.0.0.9", "225.9.9.9", "b0")
	r.write("conf", "mroute from a0 source 10.0.0.2 group 225.1.1.1 to b1\n")
	r.log.take()
	if err := r.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	if log := r.log.take(); !strings.Contains(log, "Reading the configuration again") {
		t.Errorf("log:\n%s\nwithout a word of the reload", log)
	}
	is(t, "new", r.out("a0", "10.0.0.2", "225.1.1.1"), "b1")
	is(t, "old", r.out("a0", "10.0.0.1", "225.1.1.1"), "-")
	is(t, "the client's", r.out("a1", "10.0.0.9", "225.9.9.9"), "-")
}

// A file that is missing or cannot be read leaves what is there as it is.
func TestReloadKeepsTheLastGoodState(t *testing.T) {
	for _, tt := range []struct {
		name    string
		spoil   func(path string) error
		refused bool // by the client's reload
		logged  string
		recover func(path string) error
	}{
		{"missing", os.Remove, false, "does not exist", func(string) error { return nil }},
		// Root may read everything, but nobody a directory.
		{"an include that cannot be read", func(p string) error {
			loop := p + ".loop"
			return errors.Join(os.Symlink(loop, loop), os.WriteFile(p, []byte("include "+loop+"\n"), 0o644))
		}, true, "cannot read all of the configuration", func(string) error { return nil }},
		{"unreadable", func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) }, true, "cannot read the configuration", os.Remove},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, oneRoute)
			r.must(ipc.Add, "a1", "10.0.0.9", "225.9.9.9", "b0")
			if err := tt.spoil(r.path("conf")); err != nil {
				t.Fatal(err)
			}
			r.log.take()
			if _, err := r.do(ipc.Reload); (err != nil) != tt.refused {
				t.Errorf("reload: %v", err)
			}
			if log := r.log.take(); !strings.Contains(log, tt.logged) {
				t.Errorf("log:\n%s\nwithout %q", log, tt.logged)
			}
			is(t, "the file's", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
			is(t, "the client's", r.out("a1", "10.0.0.9", "225.9.9.9"), "b0")
			is(t, "acknowledged", r.reloaded.Load(), 1)
			if err := tt.recover(r.path("conf")); err != nil {
				t.Fatal(err)
			}
			r.write("conf", "mroute from a0 source 10.0.0.2 group 225.1.1.1 to b1\n")
			r.must(ipc.Reload)
			is(t, "the new file's", r.out("a0", "10.0.0.2", "225.1.1.1"), "b1")
			is(t, "the old file's", r.out("a0", "10.0.0.1", "225.1.1.1"), "-")
		})
	}
}

// Without a file the agent waits for clients.
func TestStartWithoutFile(t *testing.T) {
	r := run(t, "-")
	if !strings.Contains(r.log.String(), "does not exist") {
		t.Errorf("log:\n%v", r.log)
	}
	r.must(ipc.Add, "a0", "10.0.0.1", "225.1.1.1", "b0")
	is(t, "route", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
}

// One bad line, or file, does not keep the others out.
func TestErrorsInFiles(t *testing.T) {
	for _, tt := range []struct {
		name, conf string
		logged     []string
	}{
		{"a bad line", "mroute from a0 group 10.0.0.1 to b0\n" + oneRoute, []string{"conf:1:", "10.0.0.1", "Parse error in"}},
		{"an include that cannot be read", "include DIR/*.inc\n" + oneRoute, []string{"conf:1:", "dangling.inc", "Parse error in"}},
		{"an include of itself", "include DIR/conf\n" + oneRoute, []string{"conf:1:", "is being read already", "Parse error in"}},
		{"a bad pattern", "include DIR/[\n" + oneRoute, []string{"conf:1:", "is not a pattern", "Parse error in"}},
		{"an error in an include", "include DIR/bad\n" + oneRoute, []string{"bad:2:", "Parse error in"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tt.conf)
			r.write("good.inc", "mroute from a0 source 10.0.0.2 group 225.1.1.1 to b1\n")
			r.write("bad", "\nmroute to nowhere\n")
			if err := os.Symlink("nowhere", r.path("dangling.inc")); err != nil {
				t.Fatal(err)
			}
			r.start(r.options())
			is(t, "a good line", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
			for _, w := range tt.logged {
				if !strings.Contains(r.log.String(), w) {
					t.Errorf("log:\n%v\nwithout %q", r.log, w)
				}
			}
			if strings.Contains(tt.conf, "*.inc") {
				is(t, "a good include", r.out("a0", "10.0.0.2", "225.1.1.1"), "b1")
			}
		})
	}
}

// The script is called at start (defect 5: it was not) and at reloads, if every
// line is good; and for flows that were learned.
func TestDefect05Script(t *testing.T) {
	r := newRig(t, "mroute from a0 group 225.1.1.1 to b0\n")
	r.write("script", "#!/bin/sh\necho \"$1 $source $group\" >>DIR/calls\n")
	if err := os.Chmod(r.path("script"), 0o755); err != nil {
		t.Fatal(err)
	}
	calls := func() string {
		text, err := os.ReadFile(r.path("calls"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return string(text)
	}
	want := ""
	expect := func(line string) {
		t.Helper()
		want += line + "\n"
		r.await("the calls\n"+want, func() bool { return calls() == want })
	}
	o := r.options()
	o.Script = r.path("script")
	r.start(o)
	expect("reload  ")
	r.host.Send("a0", flow("10.0.0.1", "225.1.1.1"), 64, r.host.Now())
	expect("install 10.0.0.1 225.1.1.1")
	// Not for a stop filter, nor for a file that is missing, cannot be read, or has
	// an error. A flow that is learned afterwards shows that nothing is on its way.
	r.host.Send("a0", flow("10.0.0.1", "239.1.1.1"), 64, r.host.Now())
	if err := os.Remove(r.path("conf")); err != nil {
		t.Fatal(err)
	}
	r.must(ipc.Reload)
	if err := os.Mkdir(r.path("conf"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := r.do(ipc.Reload); err == nil {
		t.Error("the reload of a directory succeeded")
	}
	if err := os.Remove(r.path("conf")); err != nil {
		t.Fatal(err)
	}
	r.write("conf", "mroute from a0 group 225.1.1.1 to b0\nnonsense\n")
	r.must(ipc.Reload)
	r.host.Send("a0", flow("10.0.0.2", "225.1.1.1"), 64, r.host.Now())
	expect("install 10.0.0.2 225.1.1.1")
	r.write("conf", "mroute from a0 group 225.1.1.1 to b0\n")
	r.must(ipc.Reload)
	expect("reload  ")
}

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
