// Package turn lets agents of one node take turns. The kernel gives a multicast
// routing table to one process at a time; one that is to replace another starts
// before the other ends, stands by, and has the tables as soon as they are free.
//
// Who has the tables, or is about to claim them, listens on a unix socket whose
// name is in the abstract namespace (unix(7)): it belongs to the network
// namespace, as the tables do, is one process's at a time, and is free when that
// process ends in whichever way. Nothing is ever said on it. Who stands by
// connects, and reads until the connection ends.
//
// Any program of the network namespace may take the name, whoever runs it. All
// that it comes to is a delay: after some seconds the tables are tried all the
// same, and nobody is told anything that is not true. So who listens is not
// checked. Open must fail then if another agent does have the tables, also where
// they are handed from one to the next (package keep).
package turn

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/netns"
)

const (
	// release is how long the kernel may take to free the tables of a process
	// that was killed, when its name is free already. It takes no time.
	release = time.Second

	// doubt is after how long of standing by the tables are tried although the
	// name is taken. It is longer than release: who has just got the name has
	// the tables by then, or has given up.
	doubt = 5 * time.Second

	// despair is after how long they are tried if the name is taken again and
	// again.
	despair = 30 * time.Second

	// First and longest pause between attempts.
	firstPause = time.Millisecond
	lastPause  = 100 * time.Millisecond

	// sincere is how long a connection of one who really has the name lasts.
	sincere = time.Second
)

// Options say which tables to wait for.
type Options struct {
	NetNS string // path of the network namespace; "": this one
	Table uint32 // of the kernel

	// Open claims the tables, as linux.Open does, and returns early if ctx is done.
	// What it returns is detached if it is not used, and then Unused is called,
	// which may be nil.
	Open   func(ctx context.Context) (kernel.Kernel, error)
	Unused func()

	// Patient reports, when Open has found for a while that the tables are taken,
	// though no agent has the name, whether they are waited for all the same.
	// nil: they are not.
	Patient func() bool

	// StandBy is called once if there is somebody to wait for. It may be nil.
	StandBy func()

	Logger *slog.Logger
}

// Turn is the time in which an agent has the tables.
type Turn struct {
	Kernel kernel.Kernel // to be closed or detached before End is called

	mu    sync.Mutex
	name  *net.UnixListener // nil: another has it
	ended chan struct{}
}

// Take claims the tables when it is this agent's turn, or returns ctx's error
// when ctx is done before. Without another agent to wait for it fails at once as
// Open does, or within a second if that is because the tables are taken and
// Patient has nothing against it. If only one family is, that is told by
// FamilyErr.
func Take(ctx context.Context, o Options) (*Turn, error) {
	ns, err := netns.Open(o.NetNS)
	if err != nil {
		return nil, err
	}
	l := &line{o: o, ns: ns, address: address(o.Table)}
	t, err := l.take(ctx)
	if t == nil || t.name != nil {
		ns.Close()
		return t, err
	}
	go func() {
		defer ns.Close()
		l.takeName(t)
	}()
	return t, nil
}

// End lets the next agent have the tables, which are free, or held for it.
func (t *Turn) End() {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.ended)
	if t.name != nil {
		_ = t.name.Close()
	}
}

// line is where an agent stands.
type line struct {
	o       Options
	ns      *netns.Namespace
	address *net.UnixAddr
	told    bool // that it stands by
}

// address is the name for a table.
func address(table uint32) *net.UnixAddr {
	return &net.UnixAddr{Net: "unix", Name: "@smcroute-agent/table/" + strconv.FormatUint(uint64(table), 10)}
}

func (l *line) take(ctx context.Context) (*Turn, error) {
	since := time.Now() // that the name has been one other's, as far as we know
	tried, pause := since, firstPause
	for {
		name, err := l.listen()
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			return l.begin(ctx, name, err)
		}
		l.standBy()
		began := time.Now()
		ended := l.watch(ctx, since.Add(doubt))
		now := time.Now()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !ended && now.Sub(since) >= doubt, now.Sub(tried) >= despair:
			since, tried, pause = now, now, firstPause
			if t := l.tryAnyway(ctx); t != nil {
				return t, nil
			}
		case ended && now.Sub(began) >= sincere:
			since, pause = now, firstPause
			continue // at once
		}
		sleep(ctx, pause)
		pause = min(2*pause, lastPause)
	}
}

// begin claims the tables for the one who has the name, or for lack of one.
func (l *line) begin(ctx context.Context, name *net.UnixListener, nameless error) (*Turn, error) {
	if nameless != nil {
		l.o.Logger.Warn("Other agents of this network namespace cannot be told of this one, and will end with an error instead of standing by", "error", nameless)
	}
	k, err := l.open(ctx)
	if err == nil {
		return newTurn(k, name), nil
	}
	if name != nil {
		_ = name.Close()
	}
	return nil, err
}

// tryAnyway claims the tables without the name. The result is nil if that
// cannot be.
func (l *line) tryAnyway(ctx context.Context) *Turn {
	k, err := l.o.Open(ctx)
	switch {
	case err != nil:
		return nil
	case busy(k):
		l.giveUp(k)
		return nil
	}
	l.o.Logger.Warn("The tables are free, although another process says that it has them: taking them", "socket", l.address.String())
	return newTurn(k, nil)
}

func newTurn(k kernel.Kernel, name *net.UnixListener) *Turn {
	return &Turn{Kernel: k, name: name, ended: make(chan struct{})}
}

func (l *line) standBy() {
	if !l.told && l.o.StandBy != nil {
		l.o.StandBy()
	}
	l.told = true
}

// open claims the tables for the one who has the name. If they are taken, a
// process that has had it may just be going.
func (l *line) open(ctx context.Context) (kernel.Kernel, error) {
	deadline := time.Now().Add(release)
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		k, err := l.o.Open(ctx)
		wait := errors.Is(err, kernel.ErrTableBusy) || err == nil && busy(k)
		if !wait || !time.Now().Before(deadline) && !l.patient() {
			return k, err
		}
		if err == nil {
			l.giveUp(k)
		}
		if !sleep(ctx, pause) {
			return nil, ctx.Err()
		}
	}
}

// giveUp leaves the tables of k, which hold of the families that are not busy what
// they did.
func (l *line) giveUp(k kernel.Kernel) {
	_ = k.Detach()
	if l.o.Unused != nil {
		l.o.Unused()
	}
}

func (l *line) patient() bool { return l.o.Patient != nil && l.o.Patient() }

// busy reports whether the table of some family is another's.
func busy(k kernel.Kernel) bool {
	for _, f := range mroute.Families {
		if errors.Is(k.FamilyErr(f), kernel.ErrTableBusy) {
			return true
		}
	}
	return false
}

// listen takes the name. Connections are never accepted: they end with the
// socket, and nobody can fill more than its queue.
func (l *line) listen() (name *net.UnixListener, err error) {
	err = l.ns.Do(func() error {
		name, err = net.ListenUnix("unix", l.address)
		return err
	})
	return name, err
}

// watch returns when the one who has the name ends, and reports that. It ends
// earlier if ctx is done, and at a time. If the queue is full nothing can be
// seen, and it returns soon.
func (l *line) watch(ctx context.Context, until time.Time) (ended bool) {
	var conn *net.UnixConn
	err := l.ns.Do(func() (err error) {
		conn, err = net.DialUnix("unix", nil, l.address)
		return err
	})
	if errors.Is(err, syscall.EAGAIN) {
		sleep(ctx, min(sincere, time.Until(until)))
		return false
	}
	if err != nil {
		return true
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	if conn.SetReadDeadline(until) != nil || ctx.Err() != nil {
		return false
	}
	_, err = conn.Read(make([]byte, 1))
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// takeName takes the name for a turn that has begun without, when it is free.
func (l *line) takeName(t *Turn) {
	tick := time.NewTicker(sincere)
	defer tick.Stop()
	for {
		select {
		case <-t.ended:
			return
		case <-tick.C:
		}
		name, err := l.listen()
		if err != nil {
			continue
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		select {
		case <-t.ended:
			_ = name.Close()
		default:
			t.name = name
		}
		return
	}
}

// sleep waits, and reports whether it was let.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
