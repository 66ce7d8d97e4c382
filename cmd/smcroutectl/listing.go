package main

import (
	"bufio"
	"bytes"
	"strings"
)

// listing prints what the daemon sends as it comes, and draws the headings: a
// line that ends in "_" is the title of a table, one that ends in "=" the
// headings of its columns. JSON has no such lines.
type listing struct {
	out      *bufio.Writer
	headings headings

	some bool   // something was printed
	part []byte // of a line that is not complete
	long bool   // the line began with more than maxLine bytes, which are printed
}

// maxLine is more than any heading has. The rest of a longer line is printed
// as it comes.
const maxLine = 4096

// Write never fails; the error of out shows when it is flushed.
func (l *listing) Write(p []byte) (int, error) {
	n := len(p)
	l.some = l.some || n > 0
	for {
		line, rest, ok := bytes.Cut(p, []byte{'\n'})
		l.part = append(l.part, line...)
		if !ok {
			break
		}
		l.flush()
		l.long = false
		p = rest
	}
	if len(l.part) > maxLine {
		l.out.Write(l.part)
		l.part = l.part[:0]
		l.long = true
	}
	return n, nil
}

// flush prints a line that is complete.
func (l *listing) flush() {
	line := l.part
	l.part = l.part[:0]
	if len(line) > 0 && !l.long {
		text := string(line[:len(line)-1])
		switch line[len(line)-1] {
		case '_':
			l.out.WriteString(l.headings.title(text))
			return
		case '=':
			l.out.WriteString(l.headings.columns(text))
			return
		}
	}
	l.out.Write(line)
	l.out.WriteByte('\n')
}

// end prints what is left, and the empty line that ends every listing.
func (l *listing) end() {
	if len(l.part) > 0 || l.long {
		l.flush()
	}
	if l.some {
		l.out.WriteByte('\n')
	}
}

// headings is a way to draw headings. Each function returns whole lines.
type headings struct {
	title, columns func(text string) string
}

// headings returns the way that the options ask for.
func (o *control) headings() headings {
	switch {
	case o.noHeadings:
		return noHeadings
	case o.plain:
		return plainHeadings
	}
	return terminalHeadings(terminalWidth(o.stdout, o.stderr, o.stdin))
}

var noHeadings = headings{
	title:   func(string) string { return "" },
	columns: func(string) string { return "" },
}

var plainHeadings = headings{
	title: func(text string) string {
		return rule("_", text) + text + "\n"
	},
	columns: func(text string) string {
		return rule("=", text) + text + "\n" + rule("=", text)
	},
}

// rule is a line as wide as text, and 79 at least.
func rule(mark, text string) string {
	return strings.Repeat(mark, max(defaultWidth, len(text))) + "\n"
}

// terminalHeadings underlines titles and reverses headings over the width.
func terminalHeadings(width int) headings {
	const underline, reverse, normal = "\x1b[4m", "\x1b[7m", "\x1b[0m\n"
	return headings{
		title: func(text string) string {
			return underline + strings.Repeat(" ", width) + normal + text + "\n"
		},
		columns: func(text string) string {
			return reverse + text + strings.Repeat(" ", max(0, width-len(text))) + normal
		},
	}
}
