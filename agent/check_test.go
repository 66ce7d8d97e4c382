package agent_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// The verdict of -F is the daemon's: what is dropped is an error, what must wait
// is not (defect 14: they differed).
func TestDefect14Check(t *testing.T) {
	links := []mroute.Link{{Index: 1, Name: "lo"}, {Index: 2, Name: "a0", Multicast: true}, {Index: 3, Name: "b0", Multicast: true}}
	for _, tt := range []struct {
		name, conf string
		ok         bool
		said       string // all of it, with the directory cut off
	}{
		{"good", "mroute from a0 group 225.1.1.1 to b0\n", true, ""},
		{"empty", "", true, ""},
		{"no phyint line is needed", "mgroup from a0 group 225.1.1.1\n", true, ""},
		{"a missing interface", "mroute from a0 group 225.1.1.1 to ghost\n", true, "conf:1: waiting: no interface ghost\n"},
		{"a phyint line of a missing interface", "phyint ghost ttl-threshold 9\n", true, "conf:1: waiting: no interface for phyint ghost\n"},
		{"one that asks for nothing", "phyint ghost disable\n", true, ""},
		{"UTF-16", "m\x00r\x00o\x00u\x00t\x00e\x00\n\x00b\x00\n", false, "conf:1:2: a NUL byte: expected text, in ASCII or UTF-8; lines with such bytes are left out\n"},
		{"no MULTICAST", "# comment\nmgroup from lo group 225.1.1.1\n", true, "conf:2: waiting: interface lo is not multicast capable\n"},
		{"a bad group", "mroute from a0 group 10.1.1.1 to b0\n", false, "conf:1:22: group 10.1.1.1 is not multicast"},
		{"an unknown directive", "\nbogus\n", false, "conf:2:1:"},
		{"a warning only", "mroute from a0 bogus group 225.1.1.1 to b0\n", true, "conf:1:16:"},
		{"an error in an include", "include DIR/more\n", false, "more:1:1:"},
		{"an include of a device", "include /dev/zero\n", false, "conf:1:9:"},
		{"an include of a FIFO", "include DIR/fifo\n", false, "conf:1:9:"},
		{"an include that is not there", "include DIR/nothing\n", true, "conf:1:9:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "conf")
			for name, text := range map[string]string{"conf": strings.ReplaceAll(tt.conf, "DIR", dir), "more": "bogus\n"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			ok := agent.Check(&b, path, agent.CheckOptions{Links: links})
			said := strings.ReplaceAll(b.String(), dir+"/", "")
			if ok != tt.ok {
				t.Errorf("accepted: %v, having said\n%s", ok, said)
			}
			if exact := tt.said == "" || strings.HasSuffix(tt.said, "\n"); exact && said != tt.said || !strings.HasPrefix(said, tt.said) {
				t.Errorf("said\n%s\nwant\n%s", said, tt.said)
			}
		})
	}
}

// The daemon and -F agree, line by line, on what is not accepted.
func TestCheckSaysWhatTheDaemonLogs(t *testing.T) {
	const conf = "bogus\nmroute from a0 group 225.1.1.1 to b0\nmroute from a0\nmgroup from a0 source ff05::1 group 225.1.1.1\nphyint\n"
	r := run(t, conf)
	var b strings.Builder
	if agent.Check(&b, r.path("conf"), agent.CheckOptions{Links: r.host.Links()}) {
		t.Error("accepted")
	}
	lines := strings.Count(b.String(), "\n")
	is(t, "lines said", lines >= 4, true)
	for line := range strings.Lines(b.String()) {
		quoted := fmt.Sprintf("%q", strings.TrimSuffix(line, "\n"))
		if !strings.Contains(r.log.String(), strings.Trim(quoted, `"`)) {
			t.Errorf("the daemon does not log %s", quoted)
		}
	}
}

func TestCheckOfNoFile(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "none")} {
		var b strings.Builder
		if agent.Check(&b, path, agent.CheckOptions{}) {
			t.Errorf("%s accepted", path)
		}
		if n := strings.Count(b.String(), path); n != 1 {
			t.Errorf("%q names the file %d times", b.String(), n)
		}
	}
}

// Of -N, which makes disable the default of phyint lines.
func TestCheckDefaultDisable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "conf")
	var text strings.Builder
	var links []mroute.Link
	for i := range mroute.MaxVIFs + 1 {
		fmt.Fprintf(&text, "phyint v%d\n", i)
		links = append(links, mroute.Link{Index: i + 1, Name: fmt.Sprintf("v%d", i), Multicast: true})
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, disable := range []bool{false, true} {
		var b strings.Builder
		if !agent.Check(&b, path, agent.CheckOptions{DefaultDisable: disable, Links: links}) {
			t.Error("not accepted")
		}
		if full := strings.Contains(b.String(), "33 interfaces are named, but a table holds 32"); full == disable {
			t.Errorf("with default disable %v: %q", disable, b.String())
		}
	}
}

func TestCheckLeavesOutWhatTheLevelDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "conf")
	text := "mroute from a group 225.1.1.1 to b a\nmroute from a group 10.0.0.1 to b\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var all, errs strings.Builder
	agent.Check(&all, path, agent.CheckOptions{})
	agent.Check(&errs, path, agent.CheckOptions{Level: slog.LevelWarn})
	if !strings.Contains(all.String(), "waiting: ") || strings.Contains(errs.String(), "waiting: ") {
		t.Errorf("all:\n%swarnings:\n%s", &all, &errs)
	}
	if !strings.Contains(errs.String(), ":2:") {
		t.Errorf("the error is missing:\n%s", &errs)
	}
}
