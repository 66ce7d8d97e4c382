package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		args string
		want options
		err  string
	}{
		{"", options{socket: "/run/smcroute-keeper.sock", patience: 8 * time.Second}, ""},
		{"--socket=/a --keep-routes --patience 1m --daemon", options{socket: "/a", keepRoutes: true, patience: time.Minute, daemon: true}, ""},
		{"check --socket /a", options{verb: "check", socket: "/a", patience: 8 * time.Second}, ""},
		{"--socket /a stop", options{verb: "stop", socket: "/a", patience: 8 * time.Second}, ""},
		{"stop --force --socket /a", options{verb: "stop", socket: "/a", patience: 8 * time.Second, force: true}, ""},
		{"check --force", options{}, "check has no option --force"},
		{"--force", options{}, "--force is an option of stop alone"},
		{"stop --daemon", options{}, "stop has no option --daemon"},
		{"start", options{}, `"start" is no command: expected check or stop, or none`},
		{"check now", options{}, `"now" is one argument too many`},
		{"--socket=", options{}, "--socket is empty"},
		{"--socket=/" + strings.Repeat("a", 106), options{}, "--socket has 107 bytes: expected 106 at most"},
		{"--patience=-1s", options{}, "--patience is -1s: expected 0s or more"},
		{"--patience=1", options{}, "invalid value"},
		{"--nothing", options{}, "not defined"},
	} {
		got, err := parse(strings.Fields(tt.args))
		switch {
		case tt.err != "":
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: got %v, want %q", tt.args, err, tt.err)
			}
		case err != nil:
			t.Errorf("%q: %v", tt.args, err)
		case *got != tt.want:
			t.Errorf("%q: got %+v", tt.args, *got)
		}
	}
}

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"--help", exitOK, "default: /run/smcroute-keeper.sock"},
		{"check -h", exitOK, "Usage:"},
		{"-v", exitOK, "smcroute-keeper v"},
		{"--nothing", exitUsage, `Try "smcroute-keeper --help"`},
		{"check --socket /nowhere/s", exitFailure, "no keeper for /nowhere/s in this network namespace"},
		{"stop --socket /nowhere/s", exitFailure, "/nowhere/s: connect: no such file or directory"},
		{"--socket /nowhere/s", exitFailure, "/nowhere/s.lock: no such file or directory"},
	} {
		var out bytes.Buffer
		code := run(t.Context(), strings.Fields(tt.args), &out, &out)
		if code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%q: %d\n%s", tt.args, code, out.String())
		}
	}
}
