package programs

import (
	"bytes"
	"strings"
	"sync"
)

// Output collects what a program prints, or what is logged, while others read it. The zero value is
// empty.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements [io.Writer].
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// String returns what was printed so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Count is how often a text is in that.
func (o *Output) Count(text string) int { return strings.Count(o.String(), text) }

// Take returns what was printed so far, and forgets it.
func (o *Output) Take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.buf.Reset()
	return o.buf.String()
}
