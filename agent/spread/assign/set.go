package assign

import "math/bits"

// set are links, by bit.
type set []uint64

// add puts all of other into s.
func (s set) add(other set) {
	for i, w := range other {
		s[i] |= w
	}
}

// size is how many are in s.
func (s set) size() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// with is how many would be in s with all of other.
func (s set) with(other set) (n int) {
	for i, w := range other {
		n += bits.OnesCount64(s[i] | w)
	}
	return n
}
