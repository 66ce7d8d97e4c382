package sight

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/smcroute/kube-smcroute/agent/draw"
)

// screen is a terminal that is drawn upon.
type screen struct {
	in  *os.File // nil: there are no keys
	out *os.File
}

// screen returns the terminal that the listing goes to, or nil if it is none, or
// programs read it.
func (r *Run) screen() *screen {
	out, ok := r.Stdout.(*os.File)
	if !ok || !term.IsTerminal(int(out.Fd())) || r.Format == draw.JSON || r.Format == draw.YAML {
		return nil
	}
	s := &screen{out: out}
	if in, ok := r.Stdin.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		s.in = in
	}
	return s
}

// Escape sequences of ECMA-48 and xterm.
const (
	otherScreen = "\x1b[?1049h\x1b[?25l" // without a cursor
	firstScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	restOfLine  = "\x1b[K"
	restOfAll   = "\x1b[J"
)

// topOn redraws until a person presses q or Ctrl-C.
func (r *Run) topOn(ctx context.Context, s *screen, before []draw.Router) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if s.in != nil {
		state, err := term.MakeRaw(int(s.in.Fd()))
		if err != nil {
			return err
		}
		defer term.Restore(int(s.in.Fd()), state)
		go func() { // ends with the program
			readUntilEnough(s.in)
			stop()
		}()
	}
	if err := r.write(otherScreen); err != nil {
		return err
	}
	defer r.write(firstScreen)

	now := before
	for n := 1; ; n++ {
		width, height, err := term.GetSize(int(s.out.Fd()))
		if err != nil || width <= 0 || height <= 0 {
			width, height = 80, 24
		}
		if err := r.write(r.frame(r.look(now, before), width, height)); err != nil {
			return err
		}
		if n == r.count+1 && r.count > 0 || !wait(ctx, seconds(r.delay)) {
			return nil
		}
		if n > 1 {
			before = draw.Remember(before, now)
		}
		now = r.again(ctx)
	}
}

// readUntilEnough returns at a q, a Ctrl-C or the end of in.
func readUntilEnough(in io.Reader) {
	const ctrlC = 3
	key := make([]byte, 1)
	for {
		if _, err := in.Read(key); err != nil || key[0] == 'q' || key[0] == 'Q' || key[0] == ctrlC {
			return
		}
	}
}

// frame is what to write to have a listing on the whole screen.
func (r *Run) frame(l *draw.Look, width, height int) string {
	style := r.Style
	style.Width = width
	text, err := draw.Print(l.Top(max(1, height-2)), r.Format, style) // below a line of totals and the headings
	if err != nil {
		text = err.Error()
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	lines = lines[:min(len(lines), height)]
	// In raw mode a newline does not return.
	return home + strings.Join(lines, restOfLine+"\r\n") + restOfLine + restOfAll
}
