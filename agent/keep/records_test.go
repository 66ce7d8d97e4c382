package keep

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

func sg(source, group string) mroute.SG {
	x := mroute.SG{Group: netip.MustParseAddr(group)}
	if source != "" {
		x.Source = netip.MustParseAddr(source)
	}
	return x
}

func TestRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records")
	foreign := []mroute.SG{sg("192.0.2.2", "225.1.2.3"), sg("", "225.0.0.1"), sg("2001:db8::1", "ff3e::1")}
	r := NewRecords(path)
	if got, own := r.Of("a"); got != nil || own {
		t.Errorf("at first: %v, %v", got, own)
	}
	for name, foreign := range map[string][]mroute.SG{"a": foreign, "b": nil} {
		if err := r.Set(name, foreign); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	next := NewRecords(path) // of the next process
	got, own := next.Of("a")
	if want := slices.SortedFunc(slices.Values(foreign), mroute.SG.Compare); !own || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, own, want)
	}
	if got, own := next.Of("b"); got != nil || !own {
		t.Errorf("without foreign entries: %v, %v", got, own)
	}
	for _, name := range []string{"a", "none", "b", "b"} {
		if err := next.Forget(name); err != nil {
			t.Fatal(err)
		}
		if _, own := r.Of(name); own {
			t.Errorf("%s is not forgotten", name)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the last one leaves a file")
	}
}

// What is as before is not written.
func TestRecordsOfTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records")
	r := NewRecords(path)
	set := func(groups ...string) os.FileInfo {
		t.Helper()
		var foreign []mroute.SG
		for _, g := range groups {
			foreign = append(foreign, sg("", g))
		}
		if err := r.Set("a", foreign); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first := set("225.1.1.1", "225.1.1.2")
	if !os.SameFile(first, set("225.1.1.2", "225.1.1.1")) {
		t.Error("the file was replaced")
	}
	if os.SameFile(first, set("225.1.1.2")) {
		t.Error("the file was not replaced, but written to")
	}
}

func TestDamagedRecords(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "EOF"},
		{"{", "EOF"},
		{"\x00\x00", "invalid character"},
		{`{"version":2,"tables":{"a":{}}}`, "version 2: expected 1"},
		{`{"version":1,"tables":{"a":{"foreign":[{"source":"x","group":"225.1.2.3"}]}}}`, "x"},
		{`{"version":1,"tables":{"a":{"owner":1}}}`, "unknown field"},
		{`{"version":1,"tables":{"a":{}}}{}`, "something behind the end"},
	} {
		path := filepath.Join(t.TempDir(), "records")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		r := NewRecords(path)
		r.Log = slog.New(slog.NewTextHandler(&log, nil))
		if got, own := r.Of("a"); got != nil || own {
			t.Errorf("%q: got %v, %v", tt.text, got, own)
		}
		if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), tt.want) {
			t.Errorf("%q: the log says %s", tt.text, log.String())
		}
		if err := r.Set("b", nil); err != nil {
			t.Error(err)
		}
		log.Reset()
		if _, own := r.Of("b"); !own || log.Len() > 0 {
			t.Errorf("%q: it is not repaired: %s", tt.text, log.String())
		}
	}
}

// A file that cannot be read just now is not replaced: it may tell of other tables.
func TestRecordsThatCannotBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records")
	if err := os.Symlink(path, path); err != nil { // ELOOP
		t.Fatal(err)
	}
	r := NewRecords(path)
	if err := r.Set("one", nil); err == nil {
		t.Error("Set replaces what it cannot read")
	}
	if err := r.Forget("one"); err == nil {
		t.Error("Forget says that all is well")
	}
	if _, own := r.Of("one"); own {
		t.Error("a table is its own although nobody says so")
	}
}

// What was read can be written, and says the same.
func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"version":1,"tables":{"a":{"foreign":[{"source":"192.0.2.1","group":"225.1.2.3"}]},"b":{}}}`))
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "records")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r := NewRecords(path)
		foreign, own := r.Of("a")
		if err := r.Set("b", []mroute.SG{sg("", "225.1.1.1")}); err != nil {
			t.Fatal(err)
		}
		again, ownAgain := r.Of("a")
		if own != ownAgain || fmt.Sprint(foreign) != fmt.Sprint(again) {
			t.Errorf("%v, %v became %v, %v", foreign, own, again, ownAgain)
		}
	})
}

func TestRecordsFromManyGoroutines(t *testing.T) {
	r := NewRecords(filepath.Join(t.TempDir(), "records"))
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			if err := r.Set(fmt.Sprint(n), nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for n := range 20 {
		if _, own := r.Of(fmt.Sprint(n)); !own {
			t.Errorf("%d is lost", n)
		}
	}
}

// A daemon that has given up root's privileges owns the file, but not /run.
func TestRecordsWithoutTheFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records")
	r := NewRecords(path)
	if err := r.Set("a", nil); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(filepath.Dir(path))} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(path, nobody, -1); err != nil {
			t.Skipf("needs another user: run this test as root, outside of a user namespace: %v", err)
		}
	} else if err := os.Chmod(filepath.Dir(path), 0o500); err != nil {
		t.Fatal(err)
	}
	as := func(do func() error) error {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		if os.Geteuid() == 0 {
			if _, err := unix.SetfsuidRetUid(nobody); err != nil {
				return err
			}
		}
		return do()
	}
	for _, do := range []func() error{
		func() error { return r.Set("b", []mroute.SG{sg("192.0.2.2", "225.1.2.3")}) },
		func() error { return r.Forget("a") },
		func() error { return r.Forget("b") },
	} {
		done := make(chan error)
		go func() { done <- as(do) }()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if known := r.Tables(); len(known) != 0 {
		t.Errorf("known are %q", known)
	}
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Error(err)
	}
}
