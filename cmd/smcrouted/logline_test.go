package main

import (
	"errors"
	"fmt"
	"log/slog"
	"log/syslog"
	"os"
	"slices"
	"strings"
	"testing"
)

// memory is a sink that keeps everything.
type memory []string

func (m *memory) write(s syslog.Priority, line string) {
	*m = append(*m, fmt.Sprint(int(s), " ", line))
}

func TestLines(t *testing.T) {
	var m memory
	log := slog.New(&lineHandler{min: slog.LevelInfo, sinks: []sink{&m}})
	log.Debug("not seen")
	log.Info("plain")
	log.Warn("attributes", "if", "eth0", "n", 3, "error", errors.New("no such file"), "empty", "")
	log.With("family", "IPv4").WithGroup("a").With("b", 1).Error("nested", slog.Group("g", "x", true), "y", 2)
	log.Log(t.Context(), levelNotice, "forged\nline", "name", "a\nb")
	log.Info(`quotes "stay"`)
	want := []string{
		"6 plain",
		`4 attributes if=eth0 n=3 error="no such file" empty=""`,
		"3 nested family=IPv4 a.b=1 a.g.x=true a.y=2",
		`5 forged\nline name="a\nb"`,
		`6 quotes "stay"`,
	}
	if !slices.Equal(m, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(m, "\n"), strings.Join(want, "\n"))
	}
}

// SMCRoute logs everything with -l none.
func TestDefect13NoneLogsNothing(t *testing.T) {
	level, _ := parseLevel("none")
	var m memory
	log := slog.New(&lineHandler{min: level, sinks: []sink{&m}})
	for _, l := range levels {
		log.Log(t.Context(), l, "seen")
	}
	log.Log(t.Context(), levelNone, "seen")
	if len(m) > 0 {
		t.Errorf("logged %q", m)
	}
}

func TestStderrLines(t *testing.T) {
	var b strings.Builder
	s := &stderrSink{ident: "one", w: &b}
	s.write(syslog.LOG_ERR, "text")
	if got, want := b.String(), fmt.Sprintf("one[%d]: text\n", os.Getpid()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
