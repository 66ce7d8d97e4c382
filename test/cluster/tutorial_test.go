package cluster

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// The commands of docs/tutorial.md do what it says, in its order, from an empty
// cluster to an empty cluster.
func TestTutorial(t *testing.T) {
	s := cluster(t)
	s.removeAll()
	background := map[string]*shell{}
	for _, step := range readSteps(t, "../../docs/tutorial.md") {
		t.Logf("tutorial.md:%d: %s\n%s", step.line, strings.Join(step.notes, "; "), step.commands)
		began := time.Now()
		var sh *shell
		again := false
		for _, note := range step.notes {
			verb, who, _ := strings.Cut(note, " ")
			who, behind := strings.CutSuffix(who, ", in the background")
			switch verb {
			case "on":
				sh = s.shell(machine{s.Outside(who), t}, step.commands)
				if behind {
					background[who] = sh
				}
			case "interrupt":
				background[who].interrupt()
			case "output":
				sh = background[strings.TrimPrefix(who, "of ")]
			case "look":
				again = true
			default:
				t.Fatalf("tutorial.md:%d: unknown note %q", step.line, note)
			}
		}
		switch {
		case sh == nil:
			sh = s.shell(machine{}, step.commands)
			sh.wait()
		case !slices.ContainsFunc(step.notes, func(n string) bool {
			return strings.HasSuffix(n, "in the background") || strings.HasPrefix(n, "output")
		}):
			sh.wait()
		}
		shows := func() bool {
			if again && !prints(sh.out.String(), step.output) {
				sh = s.shell(machine{}, step.commands)
				sh.wait()
			}
			return prints(sh.out.String(), step.output)
		}
		if !netlab.Poll(patience, shows) {
			t.Fatalf("tutorial.md:%d: expected the output\n%s\nand got\n%s", step.line, strings.Join(step.output, "\n"), sh.out.String())
		}
		t.Logf("%v\n%s", since(began), sh.out.String())
	}
}

// removeAll leaves a cluster that has never seen the operator.
func (s *system) removeAll() {
	s.t.Helper()
	if !installed {
		return
	}
	s.helm("uninstall", release, "--namespace", release, "--wait", "--timeout", "120s")
	installed = false
	s.Kubectl("delete", "crd", "--timeout=60s", "multicastroutes.multicast.smcroute.io",
		"multicastgroups.multicast.smcroute.io", "multicastnodestates.multicast.smcroute.io")
	s.Kubectl("delete", "namespace", release, place, "--timeout=120s")
}

// shell is one that runs commands as a reader does, in the repository.
type shell struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  programs.Output // of both kinds
	done chan struct{}
}

// shell starts one, on a machine if it is not the zero machine.
func (s *system) shell(on machine, commands string) *shell {
	s.t.Helper()
	args := []string{"-euo", "pipefail", "-c", commands}
	sh := &shell{t: s.t, cmd: exec.Command("bash", args...), done: make(chan struct{})}
	if on.NS != nil {
		sh.cmd = on.Command("bash", args...)
	} else {
		sh.cmd.Env = os.Environ()
	}
	sh.cmd.Env = append(sh.cmd.Env, s.Env()...)
	for _, v := range slices.Backward(sh.cmd.Env) { // the last one counts
		if path, ok := strings.CutPrefix(v, "PATH="); ok {
			sh.cmd.Env = append(sh.cmd.Env, "PATH="+made("")+":"+path)
			break
		}
	}
	sh.cmd.Dir = "../.."
	sh.cmd.Stdout, sh.cmd.Stderr = &sh.out, &sh.out
	sh.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := sh.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(sh.done)
		_ = sh.cmd.Wait() // the state says it all
	}()
	s.t.Cleanup(sh.interrupt)
	return sh
}

// wait waits for the end of the commands, which must succeed.
func (sh *shell) wait() {
	sh.t.Helper()
	select {
	case <-sh.done:
	case <-time.After(3 * time.Minute):
		sh.t.Fatalf("the commands did not end within three minutes; they said\n%s", sh.out.String())
	}
	if !sh.cmd.ProcessState.Success() {
		sh.t.Fatalf("%v:\n%s", sh.cmd.ProcessState, sh.out.String())
	}
}

// interrupt is Ctrl-C.
func (sh *shell) interrupt() {
	_ = syscall.Kill(-sh.cmd.Process.Pid, syscall.SIGINT) // it may have ended
	<-sh.done
}
