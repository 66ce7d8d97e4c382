package fleet

import (
	"context"
	"fmt"
	"time"
)

// patience is how long anything may take, and for each agent more.
const (
	patience         = 10 * time.Minute
	patienceForAgent = 300 * time.Millisecond
)

// wait is something of which there is to be a number.
type wait struct {
	fleet  *Fleet
	what   string
	total  int
	began  time.Time
	ticker *time.Ticker
	ctx    context.Context // until it is given up
	cancel context.CancelFunc
}

func (f *Fleet) wait(what string, total int) *wait {
	w := &wait{fleet: f, what: what, total: total, began: time.Now(), ticker: time.NewTicker(30 * time.Second)}
	long := patience + time.Duration(f.o.Agents)*patienceForAgent
	w.ctx, w.cancel = context.WithTimeoutCause(f.o.Until, long, fmt.Errorf("timed out after %v", long))
	return w
}

// tick has a value now and then, at which say may be called.
func (w *wait) tick() <-chan time.Time { return w.ticker.C }

// say tells that there are n, and how long the others will take at this pace.
func (w *wait) say(n int) {
	left := "?"
	if n > 0 {
		left = (time.Since(w.began) / time.Duration(n) * time.Duration(w.total-n)).Round(time.Second).String()
	}
	w.fleet.o.Say("waiting for %s: %d of %d, %s to go at this pace", w.what, n, w.total, left)
}

// fail ends the test.
func (w *wait) fail(n int, err error) {
	w.fleet.tb.Helper()
	w.end()
	w.fleet.tb.Fatalf("fleet: waiting for %s: %d of %d after %v: %v", w.what, n, w.total, time.Since(w.began).Round(time.Second), err)
}

func (w *wait) end() {
	w.ticker.Stop()
	w.cancel()
}
