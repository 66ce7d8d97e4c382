package cluster

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// step is a block of commands in a document, and what it should print.
type step struct {
	line     int      // of the document, where the block begins
	notes    []string // "<!-- test: NOTE -->" before it
	commands string   // "": the output is that of a step before
	output   []string // lines, in which "…" stands for anything
}

// readSteps reads the fenced blocks of a document: those of sh are commands,
// and one of text that follows is what they print.
func readSteps(t *testing.T, name string) (steps []step) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var notes, block []string
	language, line, begin, end := "", 0, 0, 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line++
		text := lines.Text()
		fence, isFence := strings.CutPrefix(text, "```")
		note, isNote := strings.CutPrefix(text, "<!-- test: ")
		switch {
		case isNote:
			notes = append(notes, strings.TrimSuffix(note, " -->"))
		case isFence && language == "":
			language, block, begin = fence, nil, line
		case isFence && language == "sh":
			steps = append(steps, step{line: begin, notes: notes, commands: strings.Join(block, "\n") + "\n"})
			language, notes, end = "", nil, line
		case isFence && language == "text":
			if notes == nil && (len(steps) == 0 || end != begin-1) {
				t.Fatalf("%s:%d: this output follows no commands", name, begin)
			}
			if notes != nil {
				steps = append(steps, step{line: begin, notes: notes})
			}
			steps[len(steps)-1].output = block
			language, notes = "", nil
		case isFence:
			t.Fatalf("%s:%d: a block of %q: expected sh or text", name, begin, language)
		case language != "":
			block = append(block, text)
		}
	}
	return steps
}

// prints reports whether output has the lines, in that order, maybe with others
// in between. Blanks count as one, and "…" stands for any text.
func prints(output string, lines []string) bool {
	for got := range strings.Lines(output) {
		if len(lines) > 0 && matches(strings.Join(strings.Fields(got), " "), strings.Split(lines[0], "…")) {
			lines = lines[1:]
		}
	}
	return len(lines) == 0
}

// matches reports whether text is parts with anything in between.
func matches(text string, parts []string) bool {
	text, ok := strings.CutPrefix(text, strings.TrimLeft(parts[0], " "))
	if len(parts) == 1 {
		return ok && text == ""
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(text, part)
		text, ok = after, ok && found
	}
	return ok && strings.HasSuffix(text, strings.TrimRight(parts[len(parts)-1], " "))
}

func TestPrints(t *testing.T) {
	for _, tt := range []struct {
		output, lines string
		want          bool
	}{
		{"a b\n", "a b", true},
		{"a    b  \n", "a b", true},
		{"a b c\n", "a b", false},
		{"a b\n", "a b c", false},
		{"x\na b\ny\nc\n", "a b\nc", true},
		{"c\na b\n", "a b\nc", false},
		{"a b\n", "a b\na b", false},
		{"pod-x7 1/1 Running 0 5s\n", "pod-… 1/1 Running 0 …", true},
		{"pod-x7 0/1 Running 0 5s\n", "pod-… 1/1 Running 0 …", false},
		{"one eth9 two\n", "… eth9 …", true},
		{"eth9\n", "… eth9 …", false},
	} {
		if got := prints(tt.output, strings.Split(tt.lines, "\n")); got != tt.want {
			t.Errorf("%q prints %q: %v", tt.output, tt.lines, got)
		}
	}
}
