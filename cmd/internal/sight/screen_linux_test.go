package sight

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// terminal is a pseudoterminal (pty(7)): what a person has, and what a program has.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs pseudoterminals: run it where /dev/ptmx and /dev/pts are: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs pseudoterminals: run it where /dev/ptmx and /dev/pts are: %v", err)
	}
	t.Cleanup(func() { program.Close() })
	if err := unix.IoctlSetWinsize(int(program.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 3, Col: 30}); err != nil {
		t.Fatal(err)
	}
	return person, program
}

// TestTopOnATerminal: top draws in place, no more than there is room for, until q is
// pressed, and leaves the terminal as it was.
func TestTopOnATerminal(t *testing.T) {
	person, program := terminal(t)
	before, err := term.GetState(int(program.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	r, _ := newRun(t, Top, func(n int) (*view.State, error) {
		s := state(uint64(n))
		s.Flows = append(s.Flows, s.Flows[0], s.Flows[0])
		return s, nil
	}, "-d", "0.1")
	r.Stdin, r.Stdout = program, program
	done := make(chan error, 1)
	go func() {
		done <- r.Do(t.Context(), Top)
		program.Close() // ends what is read below
	}()

	var seen strings.Builder
	part := make([]byte, 4096)
	for pressed := false; ; {
		n, err := person.Read(part)
		seen.Write(part[:n])
		if err != nil { // EIO: nobody has the other end any more
			break
		}
		if !pressed && strings.Count(seen.String(), home) >= 3 {
			if _, err := io.WriteString(person, "xq"); err != nil {
				t.Fatal(err)
			}
			pressed = true
			after, err := term.GetState(int(person.Fd()))
			if err == nil && *after == *before {
				t.Error("keys are echoed while top runs")
			}
		}
		if strings.HasSuffix(seen.String(), firstScreen) {
			break
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	text := seen.String()
	if !strings.HasPrefix(text, otherScreen) || !strings.HasSuffix(text, firstScreen) {
		t.Errorf("not between two screens: %q", text)
	}
	for frame := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(text, otherScreen+home), firstScreen), home) {
		lines := strings.Split(strings.TrimSuffix(frame, restOfAll), "\r\n")
		if len(lines) > 3 {
			t.Errorf("%d lines in a terminal of 3: %q", len(lines), frame)
		}
		for _, line := range lines {
			if line = strings.TrimSuffix(line, restOfLine); len(line) > 30 {
				t.Errorf("%q is longer than 30", line)
			}
		}
	}
}
