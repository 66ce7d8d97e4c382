package agent_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/ipc"
)

// A reload brings in what the file says now, and drops what clients changed.
func TestReload(t *testing.T) {
	r := run(t, oneRoute)
	r.must(ipc.Add, "a1", "10.0.0.9", "225.9.9.9", "b0")
	r.write("conf", "mroute from a0 source 10.0.0.2 group 225.1.1.1 to b1\n")
	r.log.Take()
	if err := r.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	if log := r.log.Take(); !strings.Contains(log, "Reading the configuration again") {
		t.Errorf("log:\n%s\nwithout a word of the reload", log)
	}
	is(t, "new", r.out("a0", "10.0.0.2", "225.1.1.1"), "b1")
	is(t, "old", r.out("a0", "10.0.0.1", "225.1.1.1"), "-")
	is(t, "the client's", r.out("a1", "10.0.0.9", "225.9.9.9"), "-")
}

// A file that is missing or cannot be read leaves what is there as it is.
func TestReloadKeepsTheLastGoodState(t *testing.T) {
	for _, tt := range []struct {
		name    string
		spoil   func(path string) error
		refused bool // by the client's reload
		logged  string
		recover func(path string) error
	}{
		{"missing", os.Remove, false, "does not exist", func(string) error { return nil }},
		// Root may read everything, but nobody a directory.
		{"an include that cannot be read", func(p string) error {
			loop := p + ".loop"
			return errors.Join(os.Symlink(loop, loop), os.WriteFile(p, []byte("include "+loop+"\n"), 0o644))
		}, true, "cannot read all of the configuration", func(string) error { return nil }},
		{"a pipe", func(p string) error { return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o600)) }, true, "it is a pipe", os.Remove},
		{"UTF-16", func(p string) error {
			return os.WriteFile(p, []byte("\xff\xfe#\x00\n\x00"), 0o644)
		}, true, "conf: there are NUL bytes in it: expected text", func(string) error { return nil }},
		{"an include that is not all there", func(p string) error {
			return errors.Join(os.WriteFile(p+".inc", make([]byte, 512), 0o644), os.WriteFile(p, []byte("include "+p+".inc\n"), 0o644))
		}, true, "conf.inc: there are NUL bytes in it: expected text", func(string) error { return nil }},
		{"unreadable", func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) }, true, "cannot read the configuration", os.Remove},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, oneRoute)
			r.must(ipc.Add, "a1", "10.0.0.9", "225.9.9.9", "b0")
			if err := tt.spoil(r.path("conf")); err != nil {
				t.Fatal(err)
			}
			r.log.Take()
			if _, err := r.do(ipc.Reload); (err != nil) != tt.refused {
				t.Errorf("reload: %v", err)
			}
			if log := r.log.Take(); !strings.Contains(log, tt.logged) {
				t.Errorf("log:\n%s\nwithout %q", log, tt.logged)
			}
			is(t, "the file's", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
			is(t, "the client's", r.out("a1", "10.0.0.9", "225.9.9.9"), "b0")
			is(t, "acknowledged", r.reloaded.Load(), 1)
			if err := tt.recover(r.path("conf")); err != nil {
				t.Fatal(err)
			}
			r.write("conf", "mroute from a0 source 10.0.0.2 group 225.1.1.1 to b1\n")
			r.must(ipc.Reload)
			is(t, "the new file's", r.out("a0", "10.0.0.2", "225.1.1.1"), "b1")
			is(t, "the old file's", r.out("a0", "10.0.0.1", "225.1.1.1"), "-")
		})
	}
}

// Without a file the agent waits for clients.
func TestStartWithoutFile(t *testing.T) {
	r := run(t, "-")
	if !strings.Contains(r.log.String(), "does not exist") {
		t.Errorf("log:\n%v", r.log)
	}
	r.must(ipc.Add, "a0", "10.0.0.1", "225.1.1.1", "b0")
	is(t, "route", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
}

// One bad line, or file, does not keep the others out.
func TestErrorsInFiles(t *testing.T) {
	for _, tt := range []struct {
		name, conf string
		logged     []string
	}{
		{"a bad line", "mroute from a0 group 10.0.0.1 to b0\n" + oneRoute, []string{"conf:1:", "10.0.0.1", "Parse error in"}},
		{"a line that is no text", "phyint\x00 b0\n" + oneRoute, []string{"conf:1:7: a NUL byte", "Parse error in"}},
		{"an include that cannot be read", "include DIR/*.inc\n" + oneRoute, []string{"conf:1:", "dangling.inc", "Parse error in"}},
		{"an include of itself", "include DIR/conf\n" + oneRoute, []string{"conf:1:", "is being read already", "Parse error in"}},
		{"a bad pattern", "include DIR/[\n" + oneRoute, []string{"conf:1:", "is not a pattern", "Parse error in"}},
		{"an error in an include", "include DIR/bad\n" + oneRoute, []string{"bad:2:", "Parse error in"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tt.conf)
			r.write("good.inc", "mroute from a0 source 10.0.0.2 group 225.1.1.1 to b1\n")
			r.write("bad", "\nmroute to nowhere\n")
			if err := os.Symlink("nowhere", r.path("dangling.inc")); err != nil {
				t.Fatal(err)
			}
			r.start(r.options())
			is(t, "a good line", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
			for _, w := range tt.logged {
				if !strings.Contains(r.log.String(), w) {
					t.Errorf("log:\n%v\nwithout %q", r.log, w)
				}
			}
			if strings.Contains(tt.conf, "*.inc") {
				is(t, "a good include", r.out("a0", "10.0.0.2", "225.1.1.1"), "b1")
			}
		})
	}
}

// A file that is none at all does not fill the log.
func TestMoreErrorsThanAnybodyReads(t *testing.T) {
	r := run(t, strings.Repeat("nonsense\n", 150)+oneRoute+"phyint b0 up\n")
	is(t, "the good line", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
	log := r.log.String()
	is(t, "errors in the log", strings.Count(log, "unknown directive"), 100)
	for _, w := range []string{`conf: 50 more of severity \"error\", which smcrouted -F lists`, "unknown word", "Parse error in"} {
		if !strings.Contains(log, w) {
			t.Errorf("log:\n%s\nwithout %s", log, w)
		}
	}
}

// The script is called at start (defect 5: it was not) and at reloads, if every
// line is good; and for flows that were learned.
func TestDefect05Script(t *testing.T) {
	r := newRig(t, "mroute from a0 group 225.1.1.1 to b0\n")
	r.write("script", "#!/bin/sh\necho \"$1 $source $group\" >>DIR/calls\n")
	if err := os.Chmod(r.path("script"), 0o755); err != nil {
		t.Fatal(err)
	}
	calls := func() string {
		text, err := os.ReadFile(r.path("calls"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return string(text)
	}
	want := ""
	expect := func(line string) {
		t.Helper()
		want += line + "\n"
		r.await("the calls\n"+want, func() bool { return calls() == want })
	}
	o := r.options()
	o.Script = r.path("script")
	r.start(o)
	expect("reload  ")
	r.host.Send("a0", flow("10.0.0.1", "225.1.1.1"), 64, r.host.Now())
	expect("install 10.0.0.1 225.1.1.1")
	// Not for a stop filter, nor for a file that is missing, cannot be read, or has
	// an error. A flow that is learned afterwards shows that nothing is on its way.
	r.host.Send("a0", flow("10.0.0.1", "239.1.1.1"), 64, r.host.Now())
	if err := os.Remove(r.path("conf")); err != nil {
		t.Fatal(err)
	}
	r.must(ipc.Reload)
	if err := os.Mkdir(r.path("conf"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := r.do(ipc.Reload); err == nil {
		t.Error("the reload of a directory succeeded")
	}
	if err := os.Remove(r.path("conf")); err != nil {
		t.Fatal(err)
	}
	r.write("conf", "mroute from a0 group 225.1.1.1 to b0\nnonsense\n")
	r.must(ipc.Reload)
	r.host.Send("a0", flow("10.0.0.2", "225.1.1.1"), 64, r.host.Now())
	expect("install 10.0.0.2 225.1.1.1")
	r.write("conf", "mroute from a0 group 225.1.1.1 to b0\n")
	r.must(ipc.Reload)
	expect("reload  ")
}
