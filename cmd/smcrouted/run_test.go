package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/cmd/internal/install"
)

func TestRunWithoutADaemon(t *testing.T) {
	for _, tt := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string // how they begin; "": nothing
	}{
		{"help", []string{"-h"}, 0, "Usage:\n  smcrouted [-hknNsv]", ""},
		{"version", []string{"-v"}, 0, "smcrouted v" + install.Version + "\n\nBug report address: https://", ""},
		{"unknown option", []string{"-Z"}, 64, "Usage:\n", "smcrouted: invalid option -- 'Z'\n"},
		{"missing argument", []string{"-t"}, 64, "Usage:\n", "smcrouted: option requires an argument -- 't'\n"},
		{"negative table", []string{"-t", "-1"}, 64, "Usage:\n", "smcrouted: -t -1 is not a multicast routing table"},
		{"interval", []string{"-m", "3"}, 1, "", "smcrouted: -m 3 is not a valid"},
		{"good file", []string{"-F", "good.conf"}, 0, "checked good.conf\n", ""},
		{"no file", []string{"-F", ""}, 78, "checked \n", ""},
		{"bad file", []string{"-F", "bad.conf"}, 78, "checked bad.conf\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			code := run(append([]string{"smcrouted"}, tt.args...), &stdout, &stderr, playParts())
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			begins(t, "stdout", stdout.String(), tt.stdout)
			begins(t, "stderr", stderr.String(), tt.stderr)
		})
	}
}

func begins(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.HasPrefix(got, want) || want == "" && got != "" {
		t.Errorf("%s is %q, want %q...", what, got, want)
	}
}

// Every option of the manual is in the usage text, with nothing else.
func TestUsageListsAllOptions(t *testing.T) {
	var b strings.Builder
	printUsage(&b)
	for _, o := range "cdefFhiklmnNpPstuv" {
		if !strings.Contains(b.String(), fmt.Sprintf("\n  -%c ", o)) {
			t.Errorf("-%c is missing", o)
		}
	}
}

func TestForegroundLogsToStderr(t *testing.T) {
	for _, tt := range []struct {
		args []string
		logs bool
	}{
		{[]string{"-n", "-i", "one"}, true},
		{[]string{"-n", "-i", "one", "-s"}, false},
		{[]string{"-n", "-i", "one", "-l", "none"}, false},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			d := command(t, nil, tt.args...)
			d.start(t)
			d.Process.Signal(term)
			d.code(t)
			got := strings.Split(strings.TrimSuffix(d.stderr.String(), "\n"), "\n")
			if !tt.logs {
				if d.stderr.Len() != 0 {
					t.Errorf("stderr %q, want nothing", d.stderr)
				}
				return
			}
			me := fmt.Sprintf("one[%d]: ", d.Process.Pid)
			want := []string{me + versionLine(), me + "Configuration file=/etc/one.conf", me + "Exiting."}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("stderr %q, want %q", got, want)
			}
		})
	}
}

func TestEachFamilysErrorHasALine(t *testing.T) {
	err := errors.Join(errors.New("IPv4 fails"), errors.New("IPv6 fails"))
	if got, want := explain(err), "smcrouted: IPv4 fails\nsmcrouted: IPv6 fails\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// SMCRoute does without IPv6 if IPv4's table is taken, and stays up without
// routing.
func TestOneFamilyIsEnough(t *testing.T) {
	for how, want := range map[string]string{
		"busy":        "No multicast routing in this family family=IPv6 error=",
		"unsupported": "", // only on level info
	} {
		t.Run(how, func(t *testing.T) {
			d := command(t, []string{envIPv6 + "=" + how}, "-n", "-l", "warning")
			d.start(t)
			d.Process.Signal(term)
			if code := d.code(t); code != 0 {
				t.Errorf("exit code %d", code)
			}
			log := d.stderr.String()
			if strings.Count(log, "No multicast routing") != min(len(want), 1) || !strings.Contains(log, want) {
				t.Errorf("stderr %q, want %q", log, want)
			}
		})
	}
}
