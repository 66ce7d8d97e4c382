package main

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// bufferedListing is a listing with headings that are easy to see.
type bufferedListing struct {
	listing
	buf bytes.Buffer
}

func newBufferedListing() *bufferedListing {
	l := &bufferedListing{}
	l.listing = listing{out: bufio.NewWriter(&l.buf), headings: headings{
		title:   func(s string) string { return "<" + s + ">\n" },
		columns: func(s string) string { return "[" + s + "]\n" },
	}}
	return l
}

func TestHeadingsWiderThanTheTerminal(t *testing.T) {
	text := strings.Repeat("x", 100)
	for _, tt := range []struct {
		name, got, want string
	}{
		{"plain title", plainHeadings.title(text), strings.Repeat("_", 100) + "\n" + text + "\n"},
		{"plain columns", plainHeadings.columns(text), strings.Repeat("=", 100) + "\n" + text + "\n" + strings.Repeat("=", 100) + "\n"},
		{"columns", terminalHeadings(50).columns(text), "\x1b[7m" + text + "\x1b[0m\n"},
		{"columns at 120", terminalHeadings(120).columns(text), "\x1b[7m" + text + strings.Repeat(" ", 20) + "\x1b[0m\n"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

// TestListingInPieces: headings are found however the text is cut up, and
// long lines pass.
func TestListingInPieces(t *testing.T) {
	long := strings.Repeat("x", 3*maxLine) + "_"
	text := "T_\nH=\nrow\n" + long + "\n\nlast="
	draw := func(size int) string {
		d := newBufferedListing()
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			fmt.Fprint(d, rest[:n])
			rest = rest[n:]
		}
		d.end()
		d.out.Flush()
		return d.buf.String()
	}
	want := "<T>\n[H]\nrow\n" + long + "\n\n[last]\n\n"
	for _, size := range []int{1, 2, 3, 7, maxLine, 2 * maxLine} {
		if got := draw(size); got != want {
			t.Errorf("pieces of %d: got %d bytes, %.100q", size, len(got), got)
		}
	}
}
