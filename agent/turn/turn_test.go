package turn

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// childEnv makes the test binary an agent that only takes its turn, in the
// namespace that is its value.
const childEnv = "TURN_TEST_NETNS"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		a := newAgent(path)
		if _, err := Take(context.Background(), a.o); err != nil {
			os.Exit(1)
		}
		_, _ = os.Stdout.WriteString("has them\n")
		select {}
	}
	netlab.Main(m)
}

const soon = time.Minute

// agent is one that takes its turn on the kernel's own tables.
type agent struct {
	o        Options
	standing atomic.Bool
	log      programs.Output
	cancel   context.CancelFunc
	done     chan struct{}

	// When done is closed:
	turn *Turn
	err  error
}

func newAgent(ns string) *agent {
	a := &agent{done: make(chan struct{})}
	a.o = Options{
		NetNS: ns,
		Open: func(context.Context) (kernel.Kernel, error) {
			k, err := linux.Open(linux.Options{NetNS: ns})
			if err != nil {
				return nil, err
			}
			return k, nil
		},
		StandBy: func() { a.standing.Store(true) },
		Logger:  slog.New(slog.NewTextHandler(&a.log, nil)),
	}
	return a
}

// start starts an agent in a namespace.
func start(t *testing.T, ns *netlab.NS) *agent {
	t.Helper()
	return startAs(t, ns, func(*Options) {})
}

// startAs starts one with other options.
func startAs(t *testing.T, ns *netlab.NS, change func(*Options)) *agent {
	t.Helper()
	a := newAgent(ns.ProcPath())
	change(&a.o)
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	go func() {
		defer close(a.done)
		a.turn, a.err = Take(ctx, a.o)
	}()
	t.Cleanup(func() {
		cancel()
		<-a.done
		a.end()
	})
	return a
}

// has waits until the agent has the tables.
func (a *agent) has(t *testing.T) {
	t.Helper()
	select {
	case <-a.done:
	case <-time.After(soon):
		t.Fatal("the agent does not get the tables")
	}
	if a.err != nil {
		t.Fatal(a.err)
	}
	for _, f := range mroute.Families {
		if err := a.turn.Kernel.FamilyErr(f); err != nil {
			t.Errorf("%v: %v", f, err)
		}
	}
}

// standsBy waits until it does.
func (a *agent) standsBy(t *testing.T) {
	t.Helper()
	netlab.Await(t, soon, a.standing.Load, "the agent to stand by")
	select {
	case <-a.done:
		t.Fatalf("the agent does not stand by: %v", a.err)
	default:
	}
}

// end has it end in good order, if it has the tables.
func (a *agent) end() {
	if a.turn == nil {
		return
	}
	_ = a.turn.Kernel.Close()
	a.turn.End()
	a.turn = nil
}

// Of three agents one has the tables, whoever goes.
func TestTurns(t *testing.T) {
	ns := netlab.New(t)
	first := start(t, ns)
	first.has(t)
	if first.standing.Load() {
		t.Error("the first stands by")
	}
	others := []*agent{start(t, ns), start(t, ns)}
	for _, a := range others {
		a.standsBy(t)
	}
	first.end()
	var last *agent
	select {
	case <-others[0].done:
		last = others[1]
	case <-others[1].done:
		last = others[0]
	case <-time.After(soon):
		t.Fatal("nobody gets the tables")
	}
	last.standsBy(t)
	for _, a := range others {
		if a != last {
			a.has(t)
			a.end()
		}
	}
	last.has(t)
	for _, a := range others { // who takes the tables without a word from the other says so
		if text := a.log.String(); text != "" {
			t.Errorf("log:\n%s", text)
		}
	}
}

// An agent that is killed says nothing.
func TestKilled(t *testing.T) {
	ns := netlab.New(t)
	for range 10 {
		cmd := ns.Command("/proc/self/exe")
		cmd.Env = append(cmd.Env, childEnv+"="+ns.ProcPath())
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Errorf("the child does not get the tables: %v", err)
		}
		a := start(t, ns)
		a.standsBy(t)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		a.has(t)
		a.end()
	}
}

func TestEndWhileStandingBy(t *testing.T) {
	ns := netlab.New(t)
	start(t, ns).has(t)
	a := start(t, ns)
	a.standsBy(t)
	a.cancel()
	<-a.done
	if !errors.Is(a.err, context.Canceled) {
		t.Errorf("error %v, want that of the context", a.err)
	}
}

// The tables of other programs are not waited for.
func TestOtherProgram(t *testing.T) {
	ns := netlab.New(t)
	k, err := linux.Open(linux.Options{NetNS: ns.ProcPath()})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	a := start(t, ns)
	<-a.done
	if !errors.Is(a.err, kernel.ErrTableBusy) || a.standing.Load() {
		t.Errorf("error %v, standing by %v, want the tables to be in use at once", a.err, a.standing.Load())
	}
}

// Tables have names of their own, and so have network namespaces.
func TestSideBySide(t *testing.T) {
	ns, other := netlab.New(t), netlab.New(t)
	start(t, ns).has(t)
	start(t, other).has(t)
	a := newAgent(ns.ProcPath())
	a.o.Table = 7
	a.o.Open = func(context.Context) (kernel.Kernel, error) {
		return linux.Open(linux.Options{NetNS: ns.ProcPath(), Table: 7})
	}
	turn, err := Take(t.Context(), a.o)
	if err != nil || a.standing.Load() {
		t.Fatalf("error %v, standing by %v", err, a.standing.Load())
	}
	_ = turn.Kernel.Close()
	turn.End()
}

// squat takes the name in a namespace, for the default table.
func squat(t *testing.T, ns *netlab.NS) *net.UnixListener {
	t.Helper()
	var l *net.UnixListener
	if err := ns.Do(func() (err error) {
		l, err = net.ListenUnix("unix", address(0))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// A program that has the name and no table is suspected after a while. What it
// does with connections does not matter.
func TestSquatter(t *testing.T) {
	for what, treat := range map[string]func(net.Conn){
		"accepts nothing": nil,
		"keeps quiet":     func(net.Conn) {},
		"closes":          func(c net.Conn) { _ = c.Close() },
		"talks":           func(c net.Conn) { _, _ = c.Write(bytes.Repeat([]byte("x"), 1<<12)) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			ns := netlab.New(t)
			l := squat(t, ns)
			if treat != nil {
				go func() {
					for {
						c, err := l.Accept()
						if err != nil {
							return
						}
						defer c.Close()
						treat(c)
					}
				}()
			}
			began := time.Now()
			a := start(t, ns)
			a.has(t)
			if took := time.Since(began); took < doubt {
				t.Errorf("it took %v, less than %v", took, doubt)
			}
			if !strings.Contains(a.log.String(), "taking them") {
				t.Errorf("log:\n%s", a.log.String())
			}
			// When the name is free the agent has it, and others stand by.
			_ = l.Close()
			netlab.Await(t, soon, func() bool {
				a.turn.mu.Lock()
				defer a.turn.mu.Unlock()
				return a.turn.name != nil
			}, "the agent to have the name")
			b := start(t, ns)
			b.standsBy(t)
			a.end()
			b.has(t)
		})
	}
}

// A table that is freed a moment after the name.
func TestTableIsFreedLater(t *testing.T) {
	for _, partly := range []bool{false, true} {
		ns := netlab.New(t)
		a := newAgent(ns.ProcPath())
		open, calls := a.o.Open, 0
		a.o.Open = func(ctx context.Context) (kernel.Kernel, error) {
			calls++
			switch {
			case calls > 3:
				return open(ctx)
			case partly:
				k, err := open(ctx)
				return halfBusy{k}, err
			}
			return nil, &kernel.Error{Op: "MRT_INIT", Errno: syscall.EADDRINUSE, Cause: kernel.ErrTableBusy}
		}
		turn, err := Take(t.Context(), a.o)
		if err != nil {
			t.Fatal(err)
		}
		if err := turn.Kernel.FamilyErr(mroute.IPv6); err != nil || calls != 4 {
			t.Errorf("IPv6 after %d calls: %v", calls, err)
		}
		_ = turn.Kernel.Close()
		turn.End()
	}
}

// halfBusy is a kernel whose IPv6 table is another's.
type halfBusy struct{ kernel.Kernel }

func (h halfBusy) FamilyErr(f mroute.Family) error {
	if f == mroute.IPv6 {
		return kernel.ErrTableBusy
	}
	return h.Kernel.FamilyErr(f)
}

// Tables that a keeper has, which may not answer, are waited for if the agent says
// so, until they can be had or it is asked to end.
func TestPatient(t *testing.T) {
	ns := netlab.New(t)
	other, err := linux.Open(linux.Options{NetNS: ns.ProcPath()})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	asked := make(chan struct{})
	a := startAs(t, ns, func(o *Options) {
		o.Patient = func() bool {
			select {
			case asked <- struct{}{}:
			default:
			}
			return true
		}
	})
	select {
	case <-asked:
	case <-a.done:
		t.Fatalf("the agent does not wait: %v", a.err)
	case <-time.After(soon):
		t.Fatal("nobody is asked")
	}
	if a.standing.Load() {
		t.Error("it stands by, with nobody to wait for")
	}
	second := start(t, ns) // has somebody
	second.standsBy(t)
	_ = other.Close()
	a.has(t)
	second.cancel()
	<-second.done
}

// What is opened and not used is left as it is.
func TestNotUsedIsDetached(t *testing.T) {
	ns := netlab.New(t)
	a := newAgent(ns.ProcPath())
	open, detached, unused := a.o.Open, 0, 0
	a.o.Unused = func() { unused++ }
	a.o.Open = func(ctx context.Context) (kernel.Kernel, error) {
		k, err := open(ctx)
		if detached < 2 {
			k = partlyBusy{halfBusy{k}, t, &detached}
		}
		return k, err
	}
	turn, err := Take(t.Context(), a.o)
	if err != nil {
		t.Fatal(err)
	}
	if detached != 2 || unused != 2 {
		t.Errorf("%d were detached, %d told of, want 2", detached, unused)
	}
	_ = turn.Kernel.Close()
	turn.End()
}

// partlyBusy is a halfBusy that must not be closed.
type partlyBusy struct {
	halfBusy
	t        *testing.T
	detached *int
}

func (p partlyBusy) Close() error {
	p.t.Error("it is closed")
	return p.halfBusy.Close()
}

func (p partlyBusy) Detach() error {
	*p.detached++
	return p.halfBusy.Detach()
}

// One family that stays another's does not keep the other one from working.
func TestOneFamilyIsBusy(t *testing.T) {
	ns := netlab.New(t)
	a := newAgent(ns.ProcPath())
	open := a.o.Open
	a.o.Open = func(ctx context.Context) (kernel.Kernel, error) {
		k, err := open(ctx)
		return halfBusy{k}, err
	}
	turn, err := Take(t.Context(), a.o)
	if err != nil {
		t.Fatal(err)
	}
	if err := turn.Kernel.FamilyErr(mroute.IPv4); err != nil {
		t.Error(err)
	}
	_ = turn.Kernel.Close()
	turn.End()
}
