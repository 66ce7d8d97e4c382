package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
)

func defaults() flags {
	return flags{
		flush:   time.Minute,
		conf:    "/etc/smcroute.conf",
		ident:   "smcroute",
		level:   levelNotice,
		mrdisc:  20 * time.Second,
		pidfile: "/run/smcroute.pid",
		socket:  "/run/smcroute.sock",

		maxFlows: 65536,
	}
}

func TestParseFlags(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args string
		want func(*flags)
		warn string // in what is said on stderr
	}{
		{"nothing", "", func(*flags) {}, ""},
		{"clustered", "-nNs", func(f *flags) { f.foreground, f.noPhyint, f.syslog = true, true, true }, ""},
		{"value without blank", "-nc5", func(f *flags) { f.foreground, f.flush = true, 5*time.Second }, ""},
		{"no flush", "-c 0", func(f *flags) { f.flush = 0 }, ""},
		{"junk is 0", "-c soon", func(f *flags) { f.flush = 0 }, `-c "soon" is not a number, using 0`},
		{"number with a tail", "-c 12s", func(f *flags) { f.flush = 12 * time.Second }, "using 12"},
		{"negative is 0", "-d -7", func(f *flags) {}, ""},
		{"delays", "-d 3 -D 4", func(f *flags) { f.delay, f.exitAfter = 3*time.Second, 4*time.Second }, ""},
		{"identity", "-i one", func(f *flags) {
			f.ident, f.conf, f.pidfile, f.socket = "one", "/etc/one.conf", "/run/one.pid", "/run/one.sock"
		}, ""},
		{"old spelling of identity", "-I one", func(f *flags) {
			f.ident, f.conf, f.pidfile, f.socket = "one", "/etc/one.conf", "/run/one.pid", "/run/one.sock"
		}, ""},
		{"paths", "-f /a/b -P /c/d -u /e/f -e /g/h", func(f *flags) {
			f.conf, f.pidfile, f.socket, f.script = "/a/b", "/c/d", "/e/f", "/g/h"
		}, ""},
		{"relative paths", "-f a -u b -e c", func(f *flags) {
			f.conf, f.socket, f.script = filepath.Join(here, "a"), filepath.Join(here, "b"), filepath.Join(here, "c")
		}, ""},
		{"name of a PID file", "-P two", func(f *flags) { f.pidfile = "/run/two.pid" }, ""},
		{"check", "-F x.conf", func(f *flags) { f.check, f.checkOnly = "x.conf", true }, ""},
		{"level", "-l debug", func(f *flags) { f.level, f.levelSet = slog.LevelDebug, true }, ""},
		{"odd level", "-l x", func(f *flags) { f.level, f.levelSet = levelEmerg, true }, "neither the name nor the number"},
		{"mrdisc", "-m 180", func(f *flags) { f.mrdisc = 180 * time.Second }, ""},
		{"table", "-t 999999999", func(f *flags) { f.table = 999999999 }, ""},
		{"user", "-p a:b", func(f *flags) { f.user = "a:b" }, ""},
		{"keep", "-kn", func(f *flags) { f.keep, f.foreground = true, true }, ""},
		{"keeper", "--keeper x", func(f *flags) { f.keep, f.keeper = true, filepath.Join(here, "x") }, ""},
		{"flows", "--max-flows 16", func(f *flags) { f.maxFlows = 16 }, ""},
		{"any number of flows", "--max-flows=0", func(f *flags) { f.maxFlows = 0 }, ""},
		{"foreign", "--remove-foreign", func(f *flags) { f.removeForeign = true }, ""},
		{"words are ignored", "x -n y", func(f *flags) { f.foreground = true }, ""},
		{"words after --", "-- -n", func(*flags) {}, ""},
		{"long", "--foreground --table=7 --ident two --socket /s --file /f --pid-file /p", func(f *flags) {
			f.foreground, f.table, f.ident, f.socket, f.conf, f.pidfile = true, 7, "two", "/s", "/f", "/p"
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := defaults()
			tt.want(&want)
			var warn strings.Builder
			got, err := parseFlags(strings.Fields(tt.args), &warn)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(flags{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if (tt.warn == "") != (warn.Len() == 0) || !strings.Contains(warn.String(), tt.warn) {
				t.Errorf("said %q, want %q", &warn, tt.warn)
			}
		})
	}
}

func TestParseFlagsRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		code int
		text string
	}{
		{"unknown", []string{"-Z"}, exitcode.Usage, "invalid option -- 'Z'"},
		{"unknown in a cluster", []string{"-nZ"}, exitcode.Usage, "invalid option -- 'Z'"},
		{"unknown long", []string{"--zebra"}, exitcode.Usage, "unrecognized option '--zebra'"},
		{"no argument", []string{"-n", "-c"}, exitcode.Usage, "option requires an argument -- 'c'"},
		{"no argument of a long one", []string{"--table"}, exitcode.Usage, "option '--table' requires an argument"},
		{"negative table", []string{"-t", "-1"}, exitcode.Usage, "-t -1 is not a multicast routing table: expected 0 to 999999999"},
		{"table too high", []string{"-t", "1000000000"}, exitcode.Usage, "expected 0 to 999999999"},
		{"few flows", []string{"--max-flows", "15"}, exitcode.Usage, `--max-flows "15" is no limit on flows: expected 0, for none, or at least 16`},
		{"flows are no number", []string{"--max-flows", "many"}, exitcode.Usage, `--max-flows "many" is no limit`},
		{"page for all", []string{"--ui", "0.0.0.0:8473"}, exitcode.Usage, "--ui \"0.0.0.0:8473\" is not of this machine alone"},
		{"page without a port", []string{"--ui", "8473"}, exitcode.Usage, "expected one as 127.0.0.1:8473"},
		{"empty identity", []string{"-i", ""}, exitcode.Usage, `-i "" cannot be part of a file name`},
		{"identity with a slash", []string{"-i", "../x"}, exitcode.Usage, `-i "../x" cannot be`},
		{"short announcement interval", []string{"-m", "3"}, exitcode.Failure, "expected 4 to 180 seconds"},
		{"long announcement interval", []string{"-m", "181"}, exitcode.Failure, "expected 4 to 180 seconds"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseFlags(tt.args, new(strings.Builder))
			if err == nil {
				t.Fatal("accepted")
			}
			if code := exitCode(err); code != tt.code || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %d, %q; want %d, %q", code, err, tt.code, tt.text)
			}
			var usage *usageError
			if errors.As(err, &usage) != (tt.code == exitcode.Usage) {
				t.Errorf("usage is printed: %v", !errors.As(err, &usage))
			}
		})
	}
}
