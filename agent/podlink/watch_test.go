package podlink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// wire is a subscription whose notifications a test makes: nil for one, or an
// error.
type wire struct {
	notes  chan error
	closed chan struct{}
}

func (w *wire) Receive() ([]syscall.NetlinkMessage, *unix.SockaddrNetlink, error) {
	select {
	case err := <-w.notes:
		return nil, nil, err
	case <-w.closed:
		return nil, nil, errors.New("closed")
	}
}

func (w *wire) Close() { close(w.closed) }

// station makes wires, or fails to.
type station struct {
	l     *Lookup
	log   bytes.Buffer // to be read after synctest.Wait
	began time.Time

	mu    sync.Mutex
	tries []time.Duration
	fail  error
	now   *wire
}

// onStation runs f beside a Run, in a bubble of its own time.
func onStation(t *testing.T, fail error, f func(s *station)) {
	synctest.Test(t, func(t *testing.T) {
		s := &station{began: time.Now(), fail: fail}
		s.l = &Lookup{
			log:     slog.New(slog.NewTextHandler(&s.log, nil)),
			changes: make(chan struct{}, 1),
			subscribe: func() (subscription, error) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.tries = append(s.tries, time.Since(s.began))
				if s.fail != nil {
					return nil, s.fail
				}
				s.now = &wire{make(chan error), make(chan struct{})}
				return s.now, nil
			},
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- s.l.Run(ctx) }()
		synctest.Wait()
		f(s)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if s.now != nil {
			<-s.now.closed
		}
	})
}

// told reports whether a change is told by now.
func (s *station) told() bool {
	synctest.Wait()
	select {
	case <-s.l.changes:
		return true
	default:
		return false
	}
}

// The first change is told at once, those that follow together.
func TestCoalescing(t *testing.T) {
	onStation(t, nil, func(s *station) {
		if !s.told() {
			t.Error("the time before Run is not told as a change")
		}
		time.Sleep(settle)
		s.now.notes <- nil
		if !s.told() {
			t.Error("the first change is not told at once")
		}
		for range 100 {
			s.now.notes <- nil
			time.Sleep(time.Millisecond)
		}
		if s.told() {
			t.Error("the second change is told within the time to settle")
		}
		time.Sleep(settle)
		if !s.told() {
			t.Error("the rest is not told")
		}
		time.Sleep(time.Hour)
		if s.told() {
			t.Error("more changes are told than there were")
		}
	})
}

// Lost notifications are a change, and no reason to subscribe anew.
func TestLostNotifications(t *testing.T) {
	onStation(t, nil, func(s *station) {
		s.told()
		time.Sleep(time.Minute)
		s.now.notes <- fmt.Errorf("receive: %w", unix.ENOBUFS)
		if !s.told() {
			t.Error("lost notifications are not told")
		}
		if len(s.tries) != 1 || s.log.Len() > 0 {
			t.Errorf("%d subscriptions, log %q", len(s.tries), &s.log)
		}
	})
}

// A subscription that fails is made again, and what was missed is told.
func TestSubscribeAgain(t *testing.T) {
	errFull := errors.New("too many open files")
	onStation(t, errFull, func(s *station) {
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if got := fmt.Sprint(s.tries); got != "[0s 1s 3s 7s 15s 31s 1m3s 2m3s]" {
			t.Errorf("tries at %s", got)
		}
		if s.told() {
			t.Error("a change is told that nobody knows of")
		}
		s.mu.Lock()
		s.fail = nil
		s.mu.Unlock()
		time.Sleep(time.Minute)
		if !s.told() {
			t.Error("the time until then is not told as a change")
		}
		if n := strings.Count(s.log.String(), errFull.Error()); n != 1 {
			t.Errorf("%d lines in the log:\n%s", n, &s.log)
		}
		time.Sleep(time.Hour)
		s.now.notes <- errors.New("broken")
		time.Sleep(firstPause)
		if !s.told() || !strings.Contains(s.log.String(), "broken") {
			t.Errorf("the time without is not told as a change; log:\n%s", &s.log)
		}
	})
}
