package background

import (
	"os"
	"testing"
)

// The parent that was killed had been started by one who wants no daemon any more.
func TestParentIsGone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	p := &Parent{w}
	if !p.Waits() || p.Ready() == nil || p.Waits() {
		t.Error("nobody knows that it is gone")
	}
}
