package agent

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"log/slog"
	"os"
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

	outline
}

// readConf reads a configuration file and what it includes; again is that it has
// been read before.
func readConf(path string, defaultDisable, again bool) (r reading) {
	sum := newDigest()
	defer func() { r.sum = sum.Sum64() }()
	r.files = []string{path}
	text, err := readText(openFirst(path, again))
	sum.first(maphash.String(seed, text), err)
	if err != nil {
		r.err = err
		return r
	}
	r.noText(path, text)
	r.layer, r.diags = conf.Parse(conf.Source{Name: path, Text: text}, conf.Options{
		DefaultDisable: defaultDisable,
		Include: func(pattern string) ([]conf.Source, error) {
			var sources []conf.Source
			r.patterns = append(r.patterns, strings.Clone(pattern)) // not to keep the whole text
			err := include(pattern, func(name string) error {
				text, err := readText(openRegular(name))
				if err != nil {
					return err
				}
				sum.file(name, maphash.String(seed, text))
				sources = append(sources, conf.Source{Name: name, Text: text})
				r.files = append(r.files, name)
				r.noText(name, text)
				return nil
			})
			sum.included(pattern, err)
			if unread := new(fs.PathError); errors.As(err, &unread) && !errors.Is(unread, fs.ErrNotExist) {
				r.unread = unread
			}
			return sources, err
		},
	})
	return r
}

// openFirst opens the file that may include others; again is that it has been read before.
func openFirst(path string, again bool) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil && again && info.Mode()&fs.ModeNamedPipe != 0 {
		// It would be empty, or hold up the daemon until somebody writes.
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("it is a pipe, which can be read once: expected a file")}
	}
	return os.Open(path)
}

// noText notes a file that is no text.
func (r *reading) noText(path, text string) {
	if conf.HasNUL(text) {
		r.unread = &fs.PathError{Op: "read", Path: path, Err: errors.New("there are NUL bytes in it: expected text, in ASCII or UTF-8")}
	}
}

// include calls read for the files that a glob(3) pattern names, in alphabetic order. A
// relative pattern is relative to the working directory. It goes on after an error of
// read, and returns all of them.
func include(pattern string, read func(name string) error) error {
	names, err := glob(pattern)
	if err != nil {
		return fmt.Errorf("%q is not a pattern: %w", pattern, err)
	}
	var errs []error
	for _, n := range names {
		errs = append(errs, read(n))
	}
	return errors.Join(errs...)
}

// openRegular opens a file that a pattern caught. A FIFO or a device among them
// would hold up the daemon for good.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return os.Open(path)
}

// readText reads a file that was opened, if it could be, into a string, without a second
// copy of a large one, and closes it.
func readText(f *os.File, err error) (string, error) {
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
