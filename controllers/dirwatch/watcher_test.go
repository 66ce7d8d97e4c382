package dirwatch

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// deadline is how long anything may take that should happen at once.
const deadline = 20 * time.Second

// rig is a watcher that runs.
type rig struct {
	*Watcher
	t       *testing.T
	changed chan struct{}
}

func start(t *testing.T, log *strings.Builder, dirs ...string) *rig {
	t.Helper()
	r := &rig{t: t, changed: make(chan struct{})}
	r.Watcher = New(Options{Dirs: dirs, Files: "the files", Interval: time.Hour, Logger: slog.New(slog.NewTextHandler(log, nil))})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx, r.changed) }()
	t.Cleanup(func() {
		cancel()
		<-done
		r.Close()
	})
	r.tells("the beginning")
	return r
}

func (r *rig) tells(what string) {
	r.t.Helper()
	select {
	case <-r.changed:
	case <-time.After(deadline):
		r.t.Fatalf("%s is not told", what)
	}
}

func (r *rig) write(path string) {
	r.t.Helper()
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func TestWatcher(t *testing.T) {
	dir := t.TempDir()
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	for _, d := range []string{a, b} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var log strings.Builder
	r := start(t, &log, a)
	r.write(filepath.Join(a, "file"))
	r.tells("a file in a")

	if r.Set([]string{a}) {
		t.Error("the same directories are more")
	}
	if !r.Set([]string{b, c}) {
		t.Error("other directories are not more")
	}
	r.write(filepath.Join(b, "file"))
	r.tells("a file in b")
	if slices.Contains(r.inotify.WatchList(), a) {
		t.Error("a is watched still")
	}

	// One that comes is watched from the next change on.
	if err := os.Mkdir(c, 0o755); err != nil {
		t.Fatal(err)
	}
	r.write(filepath.Join(b, "file"))
	r.tells("another file in b")
	r.write(filepath.Join(c, "file"))
	r.tells("a file in c")

	// So is one that takes the place of another.
	if err := os.RemoveAll(b); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(b, 0o755); err != nil {
		t.Fatal(err)
	}
	r.tells("that b is gone")
	r.write(filepath.Join(c, "file")) // that may have been before b came again
	r.tells("another file in c")
	r.write(filepath.Join(b, "file"))
	r.tells("a file in b again")
	if log.Len() > 0 {
		t.Errorf("log:\n%s", log.String())
	}
}

// When changes are told, in time that is not real.
func TestBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &Watcher{o: Options{Interval: time.Minute}}
		events, errs, changed := make(chan fsnotify.Event), make(chan error), make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go w.run(ctx, events, errs, changed)
		began := time.Now()
		told := func(what string, after time.Duration) {
			t.Helper()
			<-changed
			if took := time.Since(began); took != after {
				t.Errorf("%s is told after %v, want %v", what, took, after)
			}
			began = time.Now()
		}
		told("the beginning", 0)
		events <- fsnotify.Event{}
		time.Sleep(Settle / 2)
		events <- fsnotify.Event{}
		told("two changes", Settle/2+Settle)
		errs <- fsnotify.ErrEventOverflow
		told("a loss of events", 0)

		// Writers that go on and on hold nobody off.
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for range 10 * Patience / Settle {
				select {
				case events <- fsnotify.Event{}:
					time.Sleep(Settle / 4)
				case <-ctx.Done():
					return
				}
			}
		}()
		told("a long burst", Patience)
		cancel()
		<-ended // a pause takes time, which stands still when the test is over
		synctest.Wait()
	})
	synctest.Test(t, func(t *testing.T) {
		w := &Watcher{o: Options{Interval: time.Minute}}
		changed := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		began := time.Now()
		go w.run(ctx, nil, nil, changed)
		<-changed
		<-changed
		if took := time.Since(began); took != time.Minute {
			t.Errorf("without inotify a change is told after %v, want the interval", took)
		}
	})
}
