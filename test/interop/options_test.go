package interop

import (
	"regexp"
	"testing"

	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// TestOptions compares exit codes, and the shape of what is printed, of options
// that end a program at once. The words are each program's own.
func TestOptions(t *testing.T) {
	ours, debian := both(t)
	ns := netlab.New(t)
	const (
		nothing = `^$`
		usage   = `^Usage:\n  smcroute(d|ctl) \[(.*\n)+`
		version = `^(SMCRoute|smcrouted|smcroutectl) v\S+\n\nBug report address: https://\S+\nProject homepage:   https://\S+\n$`
	)
	invalid := func(option string) string { return `^\S+: .*[Oo]ption.*` + option + `.*\n$` }
	for _, c := range []struct {
		client         bool
		args           []string
		code           int
		stdout, stderr string
		own            string // what ours prints to stderr, if that has another shape
	}{
		{args: []string{"-v"}, stdout: version, stderr: nothing},
		{args: []string{"-h"}, stdout: usage, stderr: nothing},
		{args: []string{"-Z"}, code: 64, stdout: usage, stderr: invalid("Z")},
		{args: []string{"-f"}, code: 64, stdout: usage, stderr: invalid("f")},
		{args: []string{"-t", "-5"}, code: 64, stdout: usage, stderr: nothing, own: `^smcrouted: -t -5 .*\n$`},
		{args: []string{"-n", "-p", "nosuchuser"}, code: 1, stdout: nothing, stderr: `user`},
		{args: []string{"-n", "-m", "3"}, code: 1, stdout: nothing, stderr: `4`},
		{client: true, args: []string{"-v"}, stdout: version, stderr: nothing},
		{client: true, args: []string{"version"}, stdout: version, stderr: nothing},
		{client: true, args: []string{"-h"}, stdout: usage, stderr: nothing},
		{client: true, args: []string{"help"}, stdout: usage, stderr: nothing},
		{client: true, args: []string{"-Z"}, code: 1, stdout: usage, stderr: invalid("Z")},
		{client: true, args: []string{"-u"}, code: 1, stdout: usage, stderr: invalid("u")},
		{client: true, args: []string{"-i", "no-such-daemon", "show"}, code: 1, stdout: nothing,
			stderr: `^smcroutectl: Cannot find IPC socket /run/no-such-daemon.sock\nsmcroutectl: Daemon may be running with another -i NAME\n$`},
		{client: true, args: []string{"-u", "/nonexistent/sock", "kill"}, code: 1, stdout: nothing,
			stderr: `^smcroutectl: Cannot find IPC socket /nonexistent/sock\nsmcroutectl: Failed connecting to daemon: [Nn]o such file or directory\n$`},
	} {
		for _, p := range []program.Programs{debian, ours} {
			path, stderr := p.Smcrouted, c.stderr
			if c.client {
				path = p.Smcroutectl
			}
			if p.Name == ours.Name && c.own != "" {
				stderr = c.own
			}
			r := inside(t, ns, path, c.args...)
			if r.Code != c.code {
				t.Errorf("%s %q: exit code %d, want %d", path, c.args, r.Code, c.code)
			}
			if !regexp.MustCompile(c.stdout).MatchString(r.Stdout) {
				t.Errorf("%s %q: stdout %q, want a match of %q", path, c.args, r.Stdout, c.stdout)
			}
			if !regexp.MustCompile(stderr).MatchString(r.Stderr) {
				t.Errorf("%s %q: stderr %q, want a match of %q", path, c.args, r.Stderr, stderr)
			}
		}
	}
}
