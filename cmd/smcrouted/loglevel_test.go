package main

import (
	"log/slog"
	"log/syslog"
	"testing"
)

func TestParseLevel(t *testing.T) {
	for _, tt := range []struct {
		in    string
		level slog.Level
		clean bool
	}{
		{"notice", levelNotice, true},
		{"NOTICE", levelNotice, true},
		{"Info", slog.LevelInfo, true},
		{"error", slog.LevelError, true},
		{"warning", slog.LevelWarn, true},
		{"panic", levelEmerg, true},
		// Compared over the shorter string, first hit in alphabetic order.
		{"e", levelEmerg, true},
		{"er", slog.LevelError, true},
		{"n", levelNone, true},
		{"no", levelNone, true},
		{"not", levelNotice, true},
		{"debugging", slog.LevelDebug, true},
		{"w", slog.LevelWarn, true},
		// Numbers.
		{"0", levelEmerg, true},
		{"1", levelAlert, true},
		{"3", slog.LevelError, true},
		{"5", levelNotice, true},
		{"7", slog.LevelDebug, true},
		{"16", slog.LevelDebug, true},
		{"-1", levelNone, true},
		{"x", levelEmerg, false},
		{"", levelEmerg, false},
	} {
		if level, clean := parseLevel(tt.in); level != tt.level || clean != tt.clean {
			t.Errorf("%q: got %v, %v; want %v, %v", tt.in, level, clean, tt.level, tt.clean)
		}
	}
}

func TestSeverity(t *testing.T) {
	for level, want := range map[slog.Level]syslog.Priority{
		slog.LevelDebug - 4: syslog.LOG_DEBUG,
		slog.LevelDebug:     syslog.LOG_DEBUG,
		slog.LevelInfo:      syslog.LOG_INFO,
		levelNotice:         syslog.LOG_NOTICE,
		slog.LevelWarn:      syslog.LOG_WARNING,
		slog.LevelError:     syslog.LOG_ERR,
		levelCrit:           syslog.LOG_CRIT,
		levelAlert:          syslog.LOG_ALERT,
		levelEmerg:          syslog.LOG_EMERG,
		levelEmerg + 100:    syslog.LOG_EMERG,
	} {
		if got := severity(level); got != want {
			t.Errorf("%v: got %d, want %d", level, got, want)
		}
	}
}
