package agent

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/conf"
	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// reading is what a configuration file, and what it includes, came to.
type reading struct {
	layer mroute.Layer
	diags []conf.Diagnostic
	err   error // of reading the file itself: nothing in it is fatal

	// unread is that a file which is included is there and cannot be read, or that
	// one is no text: nobody knows what it wants.
	unread error

	sum      uint64   // of all that was read, and of why what was not
	files    []string // paths of what was read
	patterns []string // of includes
}

// seed is of a reading's sum.
var seed = maphash.MakeSeed()

// readConf reads a configuration file and what it includes; again is that it has
// been read before.
func readConf(path string, defaultDisable, again bool) (r reading) {
	var sum maphash.Hash
	sum.SetSeed(seed)
	add := func(kind, text string) {
		_, _ = fmt.Fprintf(&sum, "%s %d ", kind, len(text))
		_, _ = sum.WriteString(text)
	}
	defer func() { r.sum = sum.Sum64() }()
	r.files = []string{path}
	var text string
	info, err := os.Stat(path)
	if err == nil && again && info.Mode()&fs.ModeNamedPipe != 0 {
		// It would be empty, or hold up the daemon until somebody writes.
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("it is a pipe, which can be read once: expected a file")}
	} else {
		text, err = readText(path)
	}
	if err != nil {
		add("error", err.Error())
		r.err = err
		return r
	}
	add("file", text)
	r.noText(path, text)
	r.layer, r.diags = conf.Parse(conf.Source{Name: path, Text: text}, conf.Options{
		DefaultDisable: defaultDisable,
		Include: func(pattern string) ([]conf.Source, error) {
			sources, err := include(pattern)
			add("include", pattern)
			r.patterns = append(r.patterns, strings.Clone(pattern)) // not to keep the whole text
			for _, s := range sources {
				add("name", s.Name)
				add("file", s.Text)
				r.files = append(r.files, s.Name)
				r.noText(s.Name, s.Text)
			}
			if err != nil {
				add("error", err.Error())
			}
			if unread := new(fs.PathError); errors.As(err, &unread) && !errors.Is(unread, fs.ErrNotExist) {
				r.unread = unread
			}
			return sources, err
		},
	})
	return r
}

// noText notes a file that is no text.
func (r *reading) noText(path, text string) {
	if conf.HasNUL(text) {
		r.unread = &fs.PathError{Op: "read", Path: path, Err: errors.New("there are NUL bytes in it: expected text, in ASCII or UTF-8")}
	}
}

// dirs are the directories in which another reading can come to be: those of
// the files, where symbolic links to them lie, and where files lie that
// patterns would catch. In the place of one that is not there is the one where
// it, or one above it, would come to be.
func (r *reading) dirs() []string {
	all := map[string]bool{}
	add := func(dir string) {
		for {
			_, err := os.Stat(dir)
			if err == nil || dir == filepath.Dir(dir) {
				break
			}
			dir = filepath.Dir(dir)
		}
		all[dir] = true
	}
	for _, f := range r.files {
		add(filepath.Dir(f))
		if to, err := filepath.EvalSymlinks(f); err == nil {
			add(filepath.Dir(to))
		}
	}
	for _, p := range r.patterns {
		dir := filepath.Dir(p)
		add(dir)
		found, _ := glob(dir) // it may be a pattern, too
		for _, d := range found {
			add(d)
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// include lists the files that a glob(3) pattern names, in alphabetic order. A
// relative pattern is relative to the working directory.
func include(pattern string) ([]conf.Source, error) {
	names, err := glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("%q is not a pattern: %w", pattern, err)
	}
	var files []conf.Source
	var errs []error
	for _, n := range names {
		text, err := readRegular(n)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		files = append(files, conf.Source{Name: n, Text: text})
	}
	return files, errors.Join(errs...)
}

// readRegular reads a file that a pattern caught. A FIFO or a device among them
// would hold up the daemon for good.
func readRegular(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	return readText(path)
}

// readText reads a file into a string, without a second copy of a large one.
func readText(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var text strings.Builder
	if info, err := f.Stat(); err == nil {
		text.Grow(int(info.Size()))
	}
	part := make([]byte, 64<<10)
	for {
		n, err := f.Read(part)
		text.Write(part[:n])
		switch {
		case err == io.EOF:
			return text.String(), nil
		case err != nil:
			return "", err
		}
	}
}

func level(s conf.Severity) slog.Level {
	switch s {
	case conf.Error, conf.Warning:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// maxTold is how many remarks of one severity about a configuration go to the log:
// a file that is none at all would fill it.
const maxTold = 100

// judge logs what is to be said of a reading. The layer is nil if there is no
// telling what is wanted: because there is no file, or with an error. clean is
// whether there was one and every line was accepted.
func (a *Agent) judge(ctx context.Context, r *reading) (layer *mroute.Layer, clean bool, err error) {
	switch {
	case errors.Is(r.err, fs.ErrNotExist):
		text := fmt.Sprintf("Configuration file %s does not exist. Continuing anyway: routes can be added with smcroutectl", a.o.ConfFile)
		if a.read {
			text = fmt.Sprintf("Configuration file %s does not exist any more: what it said last stays in effect", a.o.ConfFile)
		}
		a.log.Log(ctx, core.LevelNotice, text)
		return nil, false, nil
	case r.unread != nil && (a.read || a.router.Holds()):
		err = fmt.Errorf("cannot read all of the configuration, so what was wanted last stays in effect: %w", r.unread)
		a.log.Error(err.Error())
		return nil, false, err
	case r.err != nil:
		err = fmt.Errorf("cannot read the configuration: %w", r.err)
		a.log.Error(err.Error())
		return nil, false, err
	}
	a.read = true
	clean = true
	var told [conf.Info + 1]int
	for _, d := range r.diags {
		if told[d.Severity]++; told[d.Severity] <= maxTold {
			a.log.Log(ctx, level(d.Severity), d.String())
		}
		clean = clean && d.Severity != conf.Error
	}
	for severity, n := range told {
		if n > maxTold {
			s := conf.Severity(severity)
			a.log.Log(ctx, level(s), fmt.Sprintf("%s: %d more of severity %q, which smcrouted -F lists", a.o.ConfFile, n-maxTold, s))
		}
	}
	if !clean {
		a.log.Warn("Parse error in " + a.o.ConfFile + ": what is wrong there was left out, all else is in use")
	}
	return &r.layer, clean, nil
}
