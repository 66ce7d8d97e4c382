package main

import (
	"context"
	"fmt"
	"log/slog"
	"log/syslog"
	"strconv"
	"strings"
	"unicode"
)

// sink takes finished lines, without a newline. It is called from several
// goroutines.
type sink interface {
	write(syslog.Priority, string)
}

// lineHandler is a slog.Handler that makes a line of text of each record:
// the message, then attributes as key=value. It gives it to all sinks.
type lineHandler struct {
	min    slog.Level
	sinks  []sink
	attrs  string // of With, each after a space
	prefix string // of WithGroup, each before a dot
}

func (h *lineHandler) Enabled(_ context.Context, level slog.Level) bool {
	return h.min != levelNone && level >= h.min
}

func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(oneLine(r.Message))
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		appendAttr(&b, h.prefix, a)
		return true
	})
	for _, s := range h.sinks {
		s.write(severity(r.Level), b.String())
	}
	return nil
}

func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(h.attrs)
	for _, a := range attrs {
		appendAttr(&b, h.prefix, a)
	}
	c := *h
	c.attrs = b.String()
	return &c
}

func (h *lineHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

func appendAttr(b *strings.Builder, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range v.Group() {
			appendAttr(b, prefix, member)
		}
		return
	}
	if a.Equal(slog.Attr{}) {
		return
	}
	fmt.Fprintf(b, " %s%s=%s", prefix, a.Key, quoted(v.String()))
}

// quoted is s, or in quotes if it could not be told from what is around it.
func quoted(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool {
		return r == '"' || r == '=' || unicode.IsSpace(r) || !unicode.IsPrint(r)
	}) {
		return strconv.Quote(s)
	}
	return s
}

// oneLine is s with control characters escaped, so that what comes from outside
// cannot forge lines.
func oneLine(s string) string {
	if !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
