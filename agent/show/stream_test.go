package show

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Row by row a listing is what it is of all rows together, however much is written at a
// time.
func TestRoutesWriter(t *testing.T) {
	for name, snap := range snapshots {
		for i, form := range []Form{Brief, Detailed, InJSON} {
			var got bytes.Buffer
			l := NewRoutesWriter(&got, form, snap.Links)
			for some := range slices.Chunk(snap.Rules, 1) {
				l.Rules(some)
				l.flush(0)
			}
			for some := range slices.Chunk(snap.Entries, 1) {
				l.Entries(some)
				l.flush(0)
			}
			want := []string{Text(snap, Routes, false), Text(snap, Routes, true), JSON(snap, Routes)}[i]
			if err := l.End(snap); err != nil || got.String() != want {
				t.Errorf("%s, form %d: %v\n%s\nwant\n%s", name, form, err, got.String(), want)
			}
		}
	}
}

var errFull = errors.New("no room")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// After an error nothing is written, and it is told.
func TestRoutesWriterFails(t *testing.T) {
	l := NewRoutesWriter(full{}, Brief, nil)
	rules := []mroute.RuleView{{Match: match("", "232.1.1.1"), IIF: "eth0"}}
	for range 2000 {
		l.Rules(rules)
	}
	if !errors.Is(l.Err(), errFull) || !errors.Is(l.End(&mroute.Snapshot{}), errFull) {
		t.Errorf("the error is %v", l.Err())
	}
}
