package view

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable is text for a terminal, in one line: a "?" stands for each character that the
// terminal could act on or that shows nothing, and for what is no UTF-8. Names of interfaces
// can have any of them, and other people choose those.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}
