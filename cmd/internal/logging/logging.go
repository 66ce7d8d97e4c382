// Package logging sets up the log of the programs that speak with Kubernetes:
// package slog's, with controller-runtime and client-go led into it.
package logging

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
	controllerruntime "sigs.k8s.io/controller-runtime/pkg/log"
)

// LevelNotice lies between Info and Warn, like syslog's LOG_NOTICE: what one
// wants to know even if all is well, as that a route is in the kernel.
const LevelNotice = slog.LevelInfo + 2

// Options are those of the log.
type Options struct {
	Level  slog.Level
	Format string // "text" or "json"
}

// AddFlags defines --log-level and --log-format, whose defaults are what o
// has.
func (o *Options) AddFlags(set *pflag.FlagSet) {
	set.Var((*levelValue)(&o.Level), "log-level", "what is logged at least: `LEVEL` is error, warn, notice, info or debug")
	if o.Format == "" {
		o.Format = "text"
	}
	set.Var((*formatValue)(&o.Format), "log-format", "`FORMAT` of the log, text or json")
}

// New returns a log of these options that is written to w.
func New(w io.Writer, o Options) *slog.Logger {
	h := &slog.HandlerOptions{Level: o.Level, ReplaceAttr: replace}
	if o.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, h))
	}
	return slog.New(slog.NewTextHandler(w, h))
}

// replace gives LevelNotice its name.
func replace(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.LevelKey {
		if l, ok := a.Value.Any().(slog.Level); ok && l == LevelNotice {
			a.Value = slog.StringValue("NOTICE")
		}
	}
	return a
}

// Lead makes controller-runtime and client-go log to logger.
func Lead(logger *slog.Logger) {
	controllerruntime.SetLogger(logr.FromSlogHandler(logger.Handler()))
	klog.SetSlogLogger(logger)
}

// levels are in the order of their weight.
var levels = []struct {
	name  string
	level slog.Level
}{
	{"error", slog.LevelError},
	{"warn", slog.LevelWarn},
	{"notice", LevelNotice},
	{"info", slog.LevelInfo},
	{"debug", slog.LevelDebug},
}

// levelValue is a [pflag.Value].
type levelValue slog.Level

func (v *levelValue) Type() string { return "LEVEL" }

func (v *levelValue) String() string {
	for _, l := range levels {
		if l.level == slog.Level(*v) {
			return l.name
		}
	}
	return slog.Level(*v).String()
}

func (v *levelValue) Set(s string) error {
	for _, l := range levels {
		if strings.EqualFold(s, l.name) {
			*v = levelValue(l.level)
			return nil
		}
	}
	return fmt.Errorf("expected error, warn, notice, info or debug, not %q", s)
}

// formatValue is a [pflag.Value].
type formatValue string

func (v *formatValue) Type() string   { return "FORMAT" }
func (v *formatValue) String() string { return string(*v) }

func (v *formatValue) Set(s string) error {
	if s != "text" && s != "json" {
		return fmt.Errorf(`expected text or json, not %q`, s)
	}
	*v = formatValue(s)
	return nil
}
