package programs

import (
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// Log is what a program has printed, on either of its outputs. It is a file in memory, so
// that all is there that the program had written, however late a reader of a pipe would
// have come to it.
type Log struct {
	file *os.File // closed with the last reference to it
}

// newLog makes an empty one.
func newLog() (Log, error) {
	fd, err := unix.MemfdCreate("log of a program", unix.MFD_CLOEXEC)
	if err != nil {
		return Log{}, fmt.Errorf("memfd_create: %w", err)
	}
	return Log{os.NewFile(uintptr(fd), "log of a program")}, nil
}

// NewLog makes one for programs that a test starts by itself: see [Log.Of].
func NewLog(t testing.TB) *Log {
	t.Helper()
	l, err := newLog()
	if err != nil {
		t.Fatal(err)
	}
	return &l
}

// Of has the program that cmd starts print into the log, after what is there.
func (l *Log) Of(cmd *exec.Cmd) { cmd.Stdout, cmd.Stderr = l.file, l.file }

// String returns what was printed so far.
func (l *Log) String() string {
	// Not by the file's own position, at which the program writes.
	text, err := io.ReadAll(io.NewSectionReader(l.file, 0, math.MaxInt64))
	if err != nil {
		return fmt.Sprintf("%s\n(the rest cannot be read: %v)", text, err)
	}
	return string(text)
}
