package main

// windowSize is for how many numbers below the highest it is known which have
// come.
const windowSize = 1 << 16

// window tells numbers that are missing from those that come late or twice, in
// memory that does not grow whatever comes. The zero value has seen nothing.
type window struct {
	started        bool
	first, highest uint64
	distinct       uint64 // numbers seen of first to highest
	before         uint64 // numbers that were missing when the sender began anew
	seen           [windowSize / 64]uint64
}

// What became of a number.
type verdict int

const (
	fresh     verdict = iota
	late              // lower than one before, but new
	duplicate         // seen before
)

// add sees a number. One that is windowSize or more below the highest means
// that the sender has begun anew.
func (w *window) add(n uint64) verdict {
	switch {
	case !w.started || w.highest-n >= windowSize && n < w.highest:
		*w = window{started: true, first: n, highest: n, distinct: 1, before: w.lost()}
		w.mark(n)
		return fresh
	case n > w.highest:
		if n-w.highest >= windowSize {
			clear(w.seen[:])
		} else {
			for i := w.highest + 1; i != n; i++ {
				w.unmark(i)
			}
		}
		w.highest = n
		w.distinct++
		w.mark(n)
		return fresh
	case w.marked(n):
		return duplicate
	}
	w.first = min(w.first, n)
	w.distinct++
	w.mark(n)
	return late
}

// lost is how many numbers between the first and the highest have not come.
func (w *window) lost() uint64 {
	if !w.started {
		return 0
	}
	return w.before + (w.highest - w.first + 1 - w.distinct)
}

func (w *window) mark(n uint64)        { w.seen[n%windowSize/64] |= 1 << (n % 64) }
func (w *window) unmark(n uint64)      { w.seen[n%windowSize/64] &^= 1 << (n % 64) }
func (w *window) marked(n uint64) bool { return w.seen[n%windowSize/64]>>(n%64)&1 == 1 }
