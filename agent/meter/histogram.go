package meter

import (
	"sync/atomic"
	"time"
)

// Bounds are the upper bounds of a [Histogram]'s buckets, ascending. There is one
// more for what is beyond.
var Bounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	time.Second, 5 * time.Second,
}

// Histogram counts times by how long they are. The zero value is empty.
type Histogram struct {
	buckets [len(Bounds) + 1]atomic.Uint64
	sum     atomic.Uint64 // ns
}

// Observe counts n times of a duration d. Negative ones are none.
func (h *Histogram) Observe(d time.Duration, n int) {
	d = max(d, 0)
	i := 0
	for i < len(Bounds) && d > Bounds[i] {
		i++
	}
	h.buckets[i].Add(uint64(n))
	h.sum.Add(uint64(d) * uint64(n))
}

// Buckets is what a [Histogram] has counted.
type Buckets struct {
	UpTo  [len(Bounds)]uint64 // times up to that bound
	Count uint64              // all times
	Sum   time.Duration
}

// Read returns what was counted. While others observe, the sum may be of a few times
// more or less than the count.
func (h *Histogram) Read() Buckets {
	var b Buckets
	for i := range h.buckets {
		b.Count += h.buckets[i].Load()
		if i < len(Bounds) {
			b.UpTo[i] = b.Count
		}
	}
	b.Sum = time.Duration(h.sum.Load())
	return b
}
