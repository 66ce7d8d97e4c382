package conf

import (
	"strings"
	"testing"
	"unsafe"
)

// TestNamesOwnTheirText: an interned name must not keep a whole file in memory.
func TestNamesOwnTheirText(t *testing.T) {
	file := strings.Repeat("x", 100) + "eth0"
	var n names
	id := n.intern(file[100:])
	got := string(n.list[id].pattern)
	if got != "eth0" || unsafe.StringData(got) == unsafe.StringData(file[100:]) {
		t.Errorf("%q is a part of the file's text", got)
	}
	if again := n.intern("eth0"); again != id {
		t.Errorf("eth0 has the numbers %d and %d", id, again)
	}
}
