package show

import (
	"strconv"
)

// Marks at the end of a line that tell a client what the line is.
const (
	titleMark   = '_'
	headingMark = '='
)

// pairWidth is the width of the column that holds "(S, G)".
const pairWidth = 42

// table is text under construction. A cell is written by appending to the
// text and padding from where the cell began.
type table []byte

func (t *table) text(s string) { *t = append(*t, s...) }

// name appends the name of an interface. The kernel allows control characters
// in it, and a terminal should not act on them: each becomes a "?".
func (t *table) name(s string) {
	start := len(*t)
	*t = append(*t, s...)
	for i, c := range (*t)[start:] {
		if c < ' ' || c == 0x7f {
			(*t)[start+i] = '?'
		}
	}
}

// pad fills up with blanks what has been appended since start.
func (t *table) pad(start, width int) {
	const blanks = "                                                "
	for n := width - (len(*t) - start); n > 0; {
		m := min(n, len(blanks))
		*t = append(*t, blanks[:m]...)
		n -= m
	}
}

// number appends n, right-aligned.
func (t *table) number(n uint64, width int) {
	var digits [20]byte
	s := strconv.AppendUint(digits[:0], n, 10)
	t.pad(len(*t), width-len(s))
	*t = append(*t, s...)
}

// right appends s, right-aligned.
func (t *table) right(s string, width int) {
	t.pad(len(*t), width-len(s))
	t.text(s)
}

func (t *table) title(s string) {
	t.text(s)
	*t = append(*t, titleMark, '\n')
}

func (t *table) endHeading() { *t = append(*t, headingMark, '\n') }

func (t *table) endRow() {
	if c := (*t)[len(*t)-1]; c == titleMark || c == headingMark {
		*t = append(*t, ' ')
	}
	*t = append(*t, '\n')
}
