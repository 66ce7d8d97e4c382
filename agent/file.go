package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/smcroute/kube-smcroute/agent/conf"
	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// readConf reads a configuration file and what it includes. The error is that
// of reading the file itself: nothing in it is fatal.
func readConf(path string, defaultDisable bool) (mroute.Layer, []conf.Diagnostic, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return mroute.Layer{}, nil, err
	}
	layer, diags := conf.Parse(conf.Source{Name: path, Text: text}, conf.Options{
		DefaultDisable: defaultDisable,
		Include:        include,
	})
	return layer, diags, nil
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
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return os.ReadFile(path)
}

func level(s conf.Severity) slog.Level {
	switch s {
	case conf.Error, conf.Warning:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// loadConf reads the configuration file and logs what is to be said of it. The
// layer is nil if there is no telling what is wanted: because there is no file,
// or with an error. clean is whether there was one and every line was accepted.
func (a *Agent) loadConf(ctx context.Context) (layer *mroute.Layer, clean bool, err error) {
	l, diags, err := readConf(a.o.ConfFile, a.o.DefaultDisable)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a.log.Log(ctx, core.LevelNotice, fmt.Sprintf("Configuration file %s does not exist. Continuing anyway: routes can be added with smcroutectl", a.o.ConfFile))
		return nil, false, nil
	case err != nil:
		err = fmt.Errorf("cannot read the configuration: %w", err)
		a.log.Error(err.Error())
		return nil, false, err
	}
	clean = true
	for _, d := range diags {
		a.log.Log(ctx, level(d.Severity), d.String())
		clean = clean && d.Severity != conf.Error
	}
	if !clean {
		a.log.Warn("Parse error in " + a.o.ConfFile + ": what is wrong there was left out, all else is in use")
	}
	return &l, clean, nil
}
