// Package dirwatch tells when files in some directories may have changed, come
// or gone. It says that too often rather than too seldom: what there is now its
// user has to look at.
package dirwatch

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Changes of files come in bursts: an editor writes a backup, empties the file,
// writes it; Kubernetes makes a directory and swaps a link. A burst is told when
// nothing has changed for Settle, but not later than Patience after its first
// change.
const (
	Settle   = 100 * time.Millisecond
	Patience = time.Second
)

// Options configure a Watcher.
type Options struct {
	Dirs     []string      // to begin with
	Files    string        // what the log calls the files in them: "the manifests"
	Interval time.Duration // between times at which a change is told in any case
	Logger   *slog.Logger
}

// Watcher watches directories.
type Watcher struct {
	o       Options
	inotify *fsnotify.Watcher // nil: not to be had

	mu     sync.Mutex
	dirs   []string
	ailing map[string]bool // those that could not be watched last time
}

// New returns a Watcher. Without inotify changes are told at intervals alone.
func New(o Options) *Watcher {
	w := &Watcher{o: o, dirs: o.Dirs, ailing: map[string]bool{}}
	var err error
	if w.inotify, err = fsnotify.NewWatcher(); err != nil {
		w.o.Logger.Warn("Changes of "+o.Files+" are noticed late: inotify is not available", "error", err)
	}
	return w
}

// Close ends the watching, after Run has returned.
func (w *Watcher) Close() {
	if w.inotify != nil {
		_ = w.inotify.Close()
	}
}

// Set says which directories to watch from now on. One that is not there is
// watched when it is, with the next change elsewhere or interval. It reports
// whether some are new: what has changed there before goes unnoticed.
func (w *Watcher) Set(dirs []string) (more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.dirs
	w.dirs = slices.Clone(dirs)
	for _, d := range before {
		if w.inotify != nil && !slices.Contains(dirs, d) {
			_ = w.inotify.Remove(d) // an error is that it was not watched
			delete(w.ailing, d)
		}
	}
	for _, d := range dirs {
		if !slices.Contains(before, d) {
			w.watch(d)
			more = true
		}
	}
	return more
}

// look watches the directories that are at the paths now: others may have taken
// their places.
func (w *Watcher) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.dirs {
		w.watch(d)
	}
}

func (w *Watcher) watch(dir string) {
	if w.inotify == nil {
		return
	}
	err := w.inotify.Add(dir)
	if err != nil && !w.ailing[dir] && !errors.Is(err, fs.ErrNotExist) {
		w.o.Logger.Warn("Changes of "+w.o.Files+" are noticed late", "directory", dir, "error", err)
	}
	w.ailing[dir] = err != nil
}

// Run sends on changed when there may have been a change, once at the beginning,
// until ctx is done.
func (w *Watcher) Run(ctx context.Context, changed chan<- struct{}) {
	w.look()
	if w.inotify == nil {
		w.run(ctx, nil, nil, changed)
	} else {
		w.run(ctx, w.inotify.Events, w.inotify.Errors, changed)
	}
}

func (w *Watcher) run(ctx context.Context, events <-chan fsnotify.Event, errs <-chan error, changed chan<- struct{}) {
	ticker := time.NewTicker(w.o.Interval)
	defer ticker.Stop()
	due := time.NewTimer(0) // what there was before the watch began
	defer due.Stop()
	var first time.Time // of a burst
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
			now := time.Now()
			if first.IsZero() {
				first = now
			}
			due.Reset(max(0, min(Settle, first.Add(Patience).Sub(now))))
		case <-errs: // events were lost
			due.Reset(0)
		case <-ticker.C:
			if first.IsZero() { // else it is due soon
				due.Reset(0)
			}
		case <-due.C:
			first = time.Time{}
			w.look()
			select {
			case changed <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}
}
