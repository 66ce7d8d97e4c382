package mrdisc

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// segment is a network in memory that keeps what was sent, with its time.
type segment struct {
	start time.Time

	mu    sync.Mutex
	down  error // what sending gives
	seen  []sighting
	conns map[string]*port // by "name family"
	open  int
}

type sighting struct {
	at    time.Duration
	where string
	msg   Message
}

type port struct {
	seg    *segment
	where  string
	in     chan Message
	closed chan struct{}
}

func newSegment() *segment {
	return &segment{start: time.Now(), conns: make(map[string]*port)}
}

func (g *segment) Open(l mroute.Link, f mroute.Family) (conn, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := &port{g, fmt.Sprint(l.Name, " ", f), make(chan Message), make(chan struct{})}
	g.conns[p.where] = p
	g.open++
	return p, nil
}

func (p *port) Send(m Message) error {
	p.seg.mu.Lock()
	defer p.seg.mu.Unlock()
	if p.seg.down != nil {
		return p.seg.down
	}
	p.seg.seen = append(p.seg.seen, sighting{time.Since(p.seg.start), p.where, m})
	return nil
}

func (p *port) Receive() (Message, error) {
	select {
	case m := <-p.in:
		return m, nil
	case <-p.closed:
		return Message{}, net.ErrClosed
	}
}

func (p *port) Close() error {
	p.seg.mu.Lock()
	defer p.seg.mu.Unlock()
	p.seg.open--
	close(p.closed)
	return nil
}

// count is the number of messages of a type seen somewhere since the start.
func (g *segment) count(where string, typ Type) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, s := range g.seen {
		if s.where == where && s.msg.Type == typ {
			n++
		}
	}
	return n
}

func (g *segment) setDown(err error) {
	g.mu.Lock()
	g.down = err
	g.mu.Unlock()
}

var (
	eth0 = mroute.Link{Index: 2, Name: "eth0", Up: true, Multicast: true}
	eth1 = mroute.Link{Index: 3, Name: "eth1", Up: true, Multicast: true}
)

// run starts an Announcer on seg and returns it with a function that ends it.
func run(t *testing.T, seg *segment, o Options) (*Announcer, func()) {
	a := New(o)
	a.open = seg.Open
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	return a, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if seg.open != 0 {
			t.Errorf("%d sockets left open", seg.open)
		}
	}
}

func pass(d time.Duration) {
	time.Sleep(d) // on synctest's clock
	synctest.Wait()
}

func TestAnnouncesInBothFamiliesAndTerminatesAtExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seg := newSegment()
		a, stop := run(t, seg, Options{Interval: 10 * time.Second})
		a.Set([]mroute.Link{eth0})
		pass(60 * time.Second)
		stop()
		for _, where := range []string{"eth0 IPv4", "eth0 IPv6"} {
			// 3 in the first 6 s, then one each 9.75 to 10.25 s.
			if n := seg.count(where, Advertisement); n < 8 || n > 9 {
				t.Errorf("%s: %d advertisements in a minute, want 8 or 9", where, n)
			}
			if n := seg.count(where, Termination); n != 1 {
				t.Errorf("%s: %d terminations, want 1", where, n)
			}
		}
		if last := seg.seen[len(seg.seen)-1]; last.msg.Type != Termination {
			t.Errorf("the last message is an %v", last.msg.Type)
		}
	})
}

// SMCRoute's first announcement says 20 seconds whatever is configured.
func TestDefect15FirstAdvertisementCarriesTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seg := newSegment()
		a, stop := run(t, seg, Options{Interval: 45 * time.Second})
		a.Set([]mroute.Link{eth0})
		pass(3 * time.Minute)
		stop()
		for _, s := range seg.seen {
			if s.msg.Type == Advertisement && s.msg.Interval != 45 {
				t.Errorf("after %v: interval %d, want 45", s.at, s.msg.Interval)
			}
		}
	})
}

func TestTerminatesWhatLeavesTheSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seg := newSegment()
		a, stop := run(t, seg, Options{Families: []mroute.Family{mroute.IPv4}})
		defer stop()
		a.Set([]mroute.Link{eth0, eth1})
		pass(10 * time.Second)
		a.Set([]mroute.Link{eth1})
		pass(time.Second)
		if n := seg.count("eth0 IPv4", Termination); n != 1 {
			t.Errorf("eth0: %d terminations, want 1", n)
		}
		if n := seg.count("eth1 IPv4", Termination); n != 0 {
			t.Errorf("eth1: %d terminations, want none", n)
		}
		before := seg.count("eth0 IPv4", Advertisement)
		pass(time.Minute)
		if after := seg.count("eth0 IPv4", Advertisement); after != before {
			t.Errorf("eth0 still announces: %d, then %d", before, after)
		}
	})
}

// Another process goes on for this one: nobody must think that the router is gone.
func TestSilentAtExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seg := newSegment()
		a, stop := run(t, seg, Options{Silent: func() bool { return true }})
		a.Set([]mroute.Link{eth0, eth1})
		pass(10 * time.Second)
		a.Set([]mroute.Link{eth1})
		pass(time.Second)
		stop()
		if n := seg.count("eth0 IPv4", Termination); n != 1 {
			t.Errorf("eth0, before the end: %d terminations, want 1", n)
		}
		if n := seg.count("eth1 IPv4", Termination); n != 0 {
			t.Errorf("eth1: %d terminations, want none", n)
		}
	})
}

func TestNoTerminationBeforeAnAdvertisement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seg := newSegment()
		a, stop := run(t, seg, Options{})
		a.random = func() float64 { return 0.9 }
		a.Set([]mroute.Link{eth0})
		synctest.Wait()
		stop()
		if len(seg.seen) != 0 {
			t.Errorf("seen: %+v", seg.seen)
		}
	})
}

func TestSetIsIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seg := newSegment()
		a, stop := run(t, seg, Options{Families: []mroute.Family{mroute.IPv4}})
		defer stop()
		for range 120 {
			a.Set([]mroute.Link{eth0})
			pass(time.Second / 2)
		}
		// 3 in the first 6 s, then one each 19.5 to 20.5 s.
		if n := seg.count("eth0 IPv4", Advertisement); n < 5 || n > 6 {
			t.Errorf("%d advertisements in a minute, want 5 or 6", n)
		}
	})
}

func TestAnswersSolicitations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seg := newSegment()
		a, stop := run(t, seg, Options{Interval: MaxInterval, Families: []mroute.Family{mroute.IPv6}})
		defer stop()
		a.Set([]mroute.Link{eth0})
		pass(10 * time.Second)
		before := seg.count("eth0 IPv6", Advertisement)
		for range 100 { // in 1 s
			seg.conns["eth0 IPv6"].in <- Message{Type: Solicitation}
			seg.conns["eth0 IPv6"].in <- Message{Type: Advertisement, Interval: 20} // another router's
			pass(10 * time.Millisecond)
		}
		pass(2 * time.Second)
		n := seg.count("eth0 IPv6", Advertisement) - before
		if n < 1 || n > 12 {
			t.Errorf("100 solicitations in a second got %d answers, want 1 to 12", n)
		}
	})
}

func TestRefreshAnnouncesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seg := newSegment()
		a, stop := run(t, seg, Options{Interval: MaxInterval})
		defer stop()
		a.Set([]mroute.Link{eth0, eth1})
		pass(10 * time.Second)
		before := len(seg.seen)
		a.Refresh()
		synctest.Wait()
		if n := len(seg.seen) - before; n != 4 {
			t.Errorf("%d announcements, want one for each interface and family: 4", n)
		}
	})
}

func TestLinkThatIsDownIsTriedQuietly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		seg := newSegment()
		seg.down = syscall.ENETDOWN
		a, stop := run(t, seg, Options{
			Families: []mroute.Family{mroute.IPv4},
			Logger:   slog.New(slog.NewTextHandler(&log, nil)),
		})
		defer stop()
		down := eth0
		down.Up = false
		a.Set([]mroute.Link{down})
		pass(time.Minute)
		seg.setDown(nil)
		a.Set([]mroute.Link{eth0})
		pass(6 * time.Second)
		if n := seg.count("eth0 IPv4", Advertisement); n != maxInitial {
			t.Errorf("%d advertisements after the link came up, want the initial burst of %d", n, maxInitial)
		}
		if log.Len() > 0 {
			t.Errorf("log: %s", &log)
		}
	})
}

func TestOtherTroubleIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		seg := newSegment()
		seg.down = syscall.EPERM
		a, stop := run(t, seg, Options{
			Families: []mroute.Family{mroute.IPv4},
			Logger:   slog.New(slog.NewTextHandler(&log, nil)),
		})
		a.Set([]mroute.Link{eth0})
		pass(5 * time.Minute)
		stop()
		if lines := strings.Count(log.String(), "\n"); lines != 1 {
			t.Errorf("%d lines, want 1: %s", lines, &log)
		}
	})
}

func TestIntervalIsBroughtIntoItsLimits(t *testing.T) {
	for _, tt := range []struct{ in, want time.Duration }{
		{0, 20 * time.Second},
		{time.Second, 4 * time.Second},
		{time.Hour, 180 * time.Second},
		{30*time.Second + time.Millisecond, 30 * time.Second},
	} {
		if got := New(Options{Interval: tt.in}).interval; got != tt.want {
			t.Errorf("%v: got %v, want %v", tt.in, got, tt.want)
		}
	}
}
