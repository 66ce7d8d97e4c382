package manifests

import (
	"context"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Changes of files come in bursts: an editor writes a backup, empties the file,
// writes it; Kubernetes makes a directory and swaps a link. The directory is
// read when nothing has changed for settle, but not later than patience after
// the first change.
const (
	settle   = 100 * time.Millisecond
	patience = time.Second
)

// watcher tells when a directory may have changed.
type watcher struct {
	dir     string
	log     *slog.Logger
	inotify *fsnotify.Watcher // nil: not to be had
	ailing  bool              // whether adding dir failed last time
}

func newWatcher(dir string, log *slog.Logger) *watcher {
	w := &watcher{dir: dir, log: log}
	var err error
	if w.inotify, err = fsnotify.NewWatcher(); err != nil {
		w.log.Warn("Changes of the manifests are noticed late: inotify is not available", "error", err)
	}
	return w
}

func (w *watcher) close() {
	if w.inotify != nil {
		_ = w.inotify.Close()
	}
}

// watch looks at the directory that is at the path now: another one may have
// taken its place.
func (w *watcher) watch() {
	if w.inotify == nil {
		return
	}
	err := w.inotify.Add(w.dir)
	if err != nil && !w.ailing {
		w.log.Warn("Changes of the manifests are noticed late", "directory", w.dir, "error", err)
	}
	w.ailing = err != nil
}

// run sends on changed when the directory should be read again, at the latest
// after each interval.
func (w *watcher) run(ctx context.Context, interval time.Duration, changed chan<- struct{}) {
	w.watch()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var events chan fsnotify.Event
	var errs chan error
	if w.inotify != nil {
		events, errs = w.inotify.Events, w.inotify.Errors
	}
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
			due.Reset(max(0, min(settle, first.Add(patience).Sub(now))))
		case <-errs: // events were lost
			due.Reset(0)
		case <-ticker.C:
			due.Reset(0)
		case <-due.C:
			first = time.Time{}
			w.watch()
			select {
			case changed <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}
}
