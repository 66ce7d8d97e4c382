package draw

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// Style is how text is drawn.
type Style struct {
	Wide  bool // more columns
	ASCII bool // no other character, for terminals that are not UTF-8
	Width int  // no line is longer; 0: any length
}

// line makes a line of text fit for the terminal.
func (s Style) line(text string) string {
	text = view.Printable(text)
	if s.ASCII {
		text = strings.Map(func(r rune) rune {
			if r > unicode.MaxASCII {
				return '?'
			}
			return r
		}, text)
	}
	if s.Width > 0 && utf8.RuneCountInString(text) > s.Width {
		text = string([]rune(text)[:s.Width])
	}
	return text
}
