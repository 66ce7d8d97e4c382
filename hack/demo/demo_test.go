package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

func TestMain(m *testing.M) {
	// Started by the tests below, this is the demo itself.
	if os.Getenv("DEMO") != "" || filepath.Base(os.Args[0]) == "send" || filepath.Base(os.Args[0]) == "recv" {
		main()
		return
	}
	programs.MainOf(m, "smcrouted", "smcroutectl", "smcroute-agent")
}

// command runs the demo with one more layer of namespaces around it.
func command(t *testing.T, bin string, args ...string) *exec.Cmd {
	netlab.New(t) // skips where namespaces are not to be had
	cmd := exec.Command("/proc/self/exe", append([]string{"-bin", bin, "-samples", "../../config/samples"}, args...)...)
	cmd.Args[0] = "demo"
	cmd.Env = append(os.Environ(), "DEMO=1", "SHELL=/bin/sh", "NETLAB_INSIDE=")
	return cmd
}

func TestDemo(t *testing.T) {
	out, err := command(t, programs.Dir()).CombinedOutput()
	if err != nil || strings.Count(string(out), "Every packet arrived where it should") != 2 {
		t.Errorf("%v\n%s", err, out)
	}
	for _, want := range []string{"reason: Programmed", "Accepted is False, Invalid: studio.yaml:", "the last good version"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in the output:\n%s", want, out)
		}
	}
}

// A daemon that forwards nothing is noticed.
func TestDemoFails(t *testing.T) {
	bin := t.TempDir()
	script := "#!/bin/sh\nexec " + filepath.Join(programs.Dir(), "smcrouted") + " \"$@\" -f /nowhere\n"
	err := errors.Join(
		os.WriteFile(filepath.Join(bin, "smcrouted"), []byte(script), 0o755),
		os.Symlink(filepath.Join(programs.Dir(), "smcroutectl"), filepath.Join(bin, "smcroutectl")),
		os.Symlink(filepath.Join(programs.Dir(), "smcroute-agent"), filepath.Join(bin, "smcroute-agent")))
	if err != nil {
		t.Fatal(err)
	}
	out, err := command(t, bin, "-patience", "500ms").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "WRONG: expected 100 and 0") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestShell(t *testing.T) {
	cmd := command(t, programs.Dir(), "-shell")
	cmd.Stdin = strings.NewReader("send -n 5 -t 9 192.0.2.10 225.3.2.1; recv; recv; smcroutectl show; exit 3\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for _, want := range []string{"TTL [8]", "nothing", "(192.0.2.10, 225.3.2.1)"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in the output:\n%s", want, out)
		}
	}
}
