package page

import (
	"context"
	"sync"
	"time"
)

const (
	// pace is how often routers are read while somebody looks.
	pace = time.Second
	// share is the part of the time, one in so many, that reading may take:
	// routers with very many flows are read less often.
	share = 10
	// readTime is how long a reading may take.
	readTime = 30 * time.Second
	// unwatched is for how long nobody may have looked before what was read is
	// forgotten. Rates are over no longer a time.
	unwatched = 10 * time.Second
)

// watch reads the routers for all who look.
type watch struct {
	o    Options
	turn chan struct{} // a token: who has it reads

	mu     sync.Mutex // guards what is below
	last   *reading   // nil: none, or forgotten
	next   time.Time  // when another may be taken
	seq    uint64     // of the last one there was
	forget *time.Timer
}

func newWatch(o Options) *watch {
	w := &watch{o: o, turn: make(chan struct{}, 1)}
	w.turn <- struct{}{}
	return w
}

// after returns the newest reading, once there is one whose number is not seq.
// With 0 any will do that is not old.
func (w *watch) after(ctx context.Context, seq uint64) (*reading, error) {
	for {
		last, wait := w.newest()
		switch {
		case last != nil && wait > 0 && last.seq != seq:
			return last, nil
		case last != nil && wait > 0:
			if err := sleep(ctx, wait); err != nil {
				return nil, err
			}
			continue
		}
		had := last.number() // which is not kept while others read
		select {
		case <-w.turn:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if now, _ := w.newest(); now.number() == had { // nobody has been faster
			w.read(ctx, now)
		}
		w.turn <- struct{}{}
	}
}

// newest returns the last reading, and for how long there will be no other.
func (w *watch) newest() (*reading, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, time.Until(w.next)
}

// read takes a reading. It is of use to others even if who asked is gone.
func (w *watch) read(ctx context.Context, before *reading) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTime)
	defer cancel()
	histories := before.histories()
	w.mu.Lock()
	w.last = nil // so that both need not be there: who wants one waits for the next
	w.mu.Unlock()
	start := time.Now()
	routers := w.o.Routers(ctx)
	var pods Pods
	if w.o.Pods != nil {
		pods = w.o.Pods()
	}
	now := newReading(ctx, routers, pods, histories)

	w.mu.Lock()
	defer w.mu.Unlock()
	w.seq++
	now.seq, now.gap = w.seq, max(pace, share*time.Since(start))
	w.last, w.next = now, start.Add(now.gap)
	if w.forget != nil {
		w.forget.Stop()
	}
	w.forget = time.AfterFunc(now.gap+unwatched, func() { w.drop(now) })
}

// drop forgets a reading, unless there is a newer one.
func (w *watch) drop(old *reading) {
	w.mu.Lock()
	mine := w.last == old
	if mine {
		w.last = nil
	}
	w.mu.Unlock()
	if mine && w.o.Unwatched != nil {
		w.o.Unwatched()
	}
}

// sleep waits, or returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
