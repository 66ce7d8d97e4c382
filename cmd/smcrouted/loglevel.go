package main

import (
	"log/slog"
	"log/syslog"
	"math"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/core"
)

// Levels of syslog that package slog doesn't name. They are ordered among
// slog's own.
const (
	levelNotice = core.LevelNotice
	levelCrit   = slog.LevelError + 4
	levelAlert  = slog.LevelError + 8
	levelEmerg  = slog.LevelError + 12

	// levelNone lets no message pass.
	levelNone = slog.Level(math.MaxInt)
)

// levels are in the order of syslog's severities, 0 (emerg) to 7 (debug).
var levels = []slog.Level{
	levelEmerg, levelAlert, levelCrit, slog.LevelError,
	slog.LevelWarn, levelNotice, slog.LevelInfo, slog.LevelDebug,
}

// levelNames are in the order in which abbreviations are looked up.
var levelNames = []struct {
	name  string
	level slog.Level
}{
	{"alert", levelAlert},
	{"crit", levelCrit},
	{"debug", slog.LevelDebug},
	{"emerg", levelEmerg},
	{"err", slog.LevelError},
	{"error", slog.LevelError},
	{"info", slog.LevelInfo},
	{"none", levelNone},
	{"notice", levelNotice},
	{"panic", levelEmerg},
	{"warn", slog.LevelWarn},
	{"warning", slog.LevelWarn},
}

// parseLevel reads the argument of -l: a name, compared over the shorter of the
// two strings without regard to case, or the number of a syslog severity.
// Numbers above 7 mean debug, negative ones none. clean is false if it is
// neither a name nor a number, which gives emerg.
func parseLevel(s string) (level slog.Level, clean bool) {
	if s != "" {
		for _, l := range levelNames {
			n := min(len(s), len(l.name))
			if strings.EqualFold(s[:n], l.name[:n]) {
				return l.level, true
			}
		}
	}
	n, clean := number(s)
	if n < 0 {
		return levelNone, clean
	}
	return levels[min(n, len(levels)-1)], clean
}

// severity is what syslog calls level.
func severity(level slog.Level) syslog.Priority {
	for i, l := range levels {
		if level >= l {
			return syslog.Priority(i)
		}
	}
	return syslog.LOG_DEBUG
}
