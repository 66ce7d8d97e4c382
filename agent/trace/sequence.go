package trace

// sequence follows the numbers of a stream at one point by the rules of RFC 3550, appendix
// A.1, and notes which are missing. Numbers are extended, so that they only rise: those of
// RTP have cycles of 2^16.
type sequence struct {
	dropout uint64 // a leap of this many numbers or more is a new beginning

	run     int // packets in order since the beginning, up to probation
	packets uint64
	base    uint64 // the first number
	top     uint64 // the highest so far
	seen    [window]bool
	again   uint64 // the number that would confirm a leap
	leaping bool

	missing    ranges
	reordered  uint64 // came after a higher one
	duplicates uint64
	leaps      uint64 // new beginnings: the sender was restarted, or more was lost than can be told
}

const (
	// window is how long a number is waited for, counted in numbers. It is more than
	// maxMisorder, as far behind as a packet may be.
	window      = 128
	maxMisorder = 100  // MAX_MISORDER
	maxDropout  = 3000 // MAX_DROPOUT
	probation   = 2    // MIN_SEQUENTIAL: packets in order that tell RTP from chance

	// maxDropoutNumbered is for numbers of 64 bits.
	maxDropoutNumbered = 1 << 24
)

// valid reports whether numbers followed each other, so that they are numbers.
func (s *sequence) valid() bool { return s.run >= probation }

// begin starts with a number.
func (s *sequence) begin(n uint64) {
	s.base, s.top = n, n
	s.seen = [window]bool{}
	s.seen[n%window] = true
	s.leaping = false
}

// rtp takes a number of RTP. It reports whether the packet is the newest one.
func (s *sequence) rtp(seq uint16) bool {
	if s.packets == 0 {
		return s.take(1<<16 + uint64(seq))
	}
	// By the shorter way around.
	return s.take(s.top + uint64(int64(int16(seq-uint16(s.top)))))
}

// take takes an extended number. It reports whether the packet is the newest one.
func (s *sequence) take(n uint64) bool {
	s.packets++
	switch {
	case s.packets == 1:
		s.begin(n)
		s.run = 1
		return true
	case n > s.top && n-s.top < s.dropout:
		if s.run < probation {
			if n != s.top+1 {
				s.begin(n)
				s.run = 1
				return true
			}
			s.run++
		}
		s.advance(n)
		s.leaping = false
		return true
	case n <= s.top && s.top-n <= maxMisorder:
		switch {
		case s.seen[n%window]:
			s.duplicates++
		case n < s.base: // from before the beginning
			s.reordered++
		default:
			s.seen[n%window] = true
			s.reordered++
		}
		return false
	case s.leaping && n == s.again:
		// Two in a row: the sender means it.
		s.settle()
		s.leaps++
		s.begin(n - 1)
		s.advance(n)
		return true
	default:
		s.leaping, s.again = true, n+1
		return false
	}
}

// advance goes on to a higher number; those that are not waited for any more are missing.
func (s *sequence) advance(to uint64) {
	if to-s.top >= window {
		s.settle()
		if first := s.top + 1; first < to {
			s.missing.add(first, to-1)
		}
		s.begin(to)
		return
	}
	for s.top < to {
		s.top++
		slot := s.top % window
		if old := s.top - window; s.top >= window && old > s.base && !s.seen[slot] {
			s.missing.add(old, old)
		}
		s.seen[slot] = false
	}
	s.seen[to%window] = true
}

// settle says that what is not there will not come.
func (s *sequence) settle() {
	first := s.base + 1
	if s.top >= window && s.top-window+1 > first {
		first = s.top - window + 1
	}
	for n := first; n < s.top; n++ {
		if !s.seen[n%window] {
			s.missing.add(n, n)
			s.seen[n%window] = true
		}
	}
}
