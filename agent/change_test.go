package agent_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/ipc"
)

// A configuration file is read again if it is another one, or one that it
// includes is; what clients changed stays as long as it is not.
func TestReloadIfChanged(t *testing.T) {
	r := newRig(t, "-")
	r.start(r.options())
	forwards := func(group string, want bool) {
		t.Helper()
		if got := r.out("a0", "10.0.0.1", group) == "b0"; got != want {
			t.Errorf("%s is forwarded: %v, want %v", group, got, want)
		}
	}
	look := func(what string, want bool) (log string) {
		t.Helper()
		before := r.reloaded.Load()
		r.log.Take()
		dirs, err := r.ReloadIfChanged(t.Context())
		if err != nil && !strings.Contains(what, "cannot be read") {
			t.Errorf("%s: %v", what, err)
		}
		if !slices.Contains(dirs, r.dir) {
			t.Errorf("%s: directories %q, want %s among them", what, dirs, r.dir)
		}
		if got := r.reloaded.Load() > before; got != want {
			t.Errorf("%s: reloaded %v, want %v", what, got, want)
		}
		return r.log.Take()
	}

	look("there is no file", false)
	r.write("conf", "mroute from a0 source 10.0.0.1 group 225.0.0.1 to b0\n")
	if log := look("a file", true); !strings.Contains(log, "The configuration has changed") {
		t.Errorf("log:\n%s", log)
	}
	forwards("225.0.0.1", true)
	look("the same file", false)
	r.write("conf", "mroute from a0 source 10.0.0.1 group 225.0.0.1 to b0\n")
	look("the same text", false)
	forwards("225.0.0.1", true)

	r.write("conf", "mroute from a0 source 10.0.0.1 group 225.0.0.2 to b0\nnonsense\ninclude DIR/d/*.conf\n")
	if log := look("another text", true); !strings.Contains(log, r.path("conf")+":2:") {
		t.Errorf("the error has no line in the log:\n%s", log)
	}
	forwards("225.0.0.1", false)
	forwards("225.0.0.2", true)
	look("the same with an error", false)

	if err := os.Mkdir(r.path("d"), 0o755); err != nil {
		t.Fatal(err)
	}
	look("an empty directory of included files", false)
	dirs, _ := r.ReloadIfChanged(t.Context())
	if !slices.Contains(dirs, r.path("d")) {
		t.Errorf("directories %q, want %s among them", dirs, r.path("d"))
	}
	r.write("d/x.conf", "mroute from a0 source 10.0.0.1 group 225.0.0.3 to b0\n")
	look("an included file", true)
	forwards("225.0.0.3", true)
	r.write("d/x.conf", "mroute from a0 source 10.0.0.1 group 225.0.0.4 to b0\n")
	look("another text of it", true)
	forwards("225.0.0.3", false)
	forwards("225.0.0.4", true)

	// The last good state stays.
	if err := os.Rename(r.path("conf"), r.path("gone")); err != nil {
		t.Fatal(err)
	}
	if log := look("no file any more", true); !strings.Contains(log, "stays in effect") {
		t.Errorf("log:\n%s", log)
	}
	look("still none", false)
	forwards("225.0.0.2", true)
	if err := os.Mkdir(r.path("conf"), 0o755); err != nil {
		t.Fatal(err)
	}
	look("a file that cannot be read", true)
	look("a file that still cannot be read", false)
	forwards("225.0.0.4", true)
	if err := os.Remove(r.path("conf")); err != nil {
		t.Fatal(err)
	}

	// As Kubernetes swaps the files of a ConfigMap.
	r.write("d/conf", "mroute from a0 source 10.0.0.1 group 225.0.0.5 to b0\n")
	for from, to := range map[string]string{"..data": "d", "conf": "..data/conf"} {
		if err := os.Symlink(to, r.path(from)); err != nil {
			t.Fatal(err)
		}
	}
	look("a symbolic link", true)
	forwards("225.0.0.5", true)
	if err := os.Mkdir(r.path("e"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.write("e/conf", "mroute from a0 source 10.0.0.1 group 225.0.0.6 to b0\n")
	if err := os.Symlink("e", r.path("..tmp")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(r.path("..tmp"), r.path("..data")); err != nil {
		t.Fatal(err)
	}
	look("the link leads elsewhere", true)
	forwards("225.0.0.6", true)
}

func TestReloadIfChangedWithoutFile(t *testing.T) {
	r := newRig(t, "-")
	o := r.options()
	o.ConfFile = ""
	r.start(o)
	if dirs, err := r.ReloadIfChanged(t.Context()); dirs != nil || err != nil {
		t.Errorf("%q, %v", dirs, err)
	}
}

// What clients changed goes with a change of the file, and with nothing less.
func TestReloadIfChangedAndClients(t *testing.T) {
	r := newRig(t, "mroute from a0 source 10.0.0.1 group 225.0.0.1 to b0\n")
	r.start(r.options())
	forwards := func(group string, want bool) {
		t.Helper()
		if got := r.out("a0", "10.0.0.1", group) == "b0"; got != want {
			t.Errorf("%s is forwarded: %v, want %v", group, got, want)
		}
	}
	r.must(ipc.Add, "a0", "10.0.0.1", "225.0.0.2", "b0")
	if _, err := r.ReloadIfChanged(t.Context()); err != nil {
		t.Fatal(err)
	}
	forwards("225.0.0.2", true)
	r.write("conf", "mroute from a0 source 10.0.0.1 group 225.0.0.3 to b0\n")
	if _, err := r.ReloadIfChanged(t.Context()); err != nil {
		t.Fatal(err)
	}
	forwards("225.0.0.2", false)
	forwards("225.0.0.3", true)
}
