package capsule

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// patience is how long anything may take on a busy machine.
const patience = 20 * time.Second

// envGuest makes this program the one that the tests run in a capsule.
const envGuest = "CAPSULE_TEST_GUEST"

func TestMain(m *testing.M) {
	if os.Getenv(envGuest) != "" {
		if err := beGuest(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(3)
	}
	os.Exit(m.Run())
}

// beGuest leaves all that a capsule can: orphans, in boxes, too, with links, mounts
// and cgroups. Then it waits until its input ends.
func beGuest() error {
	o := Options{Label: "guest"}
	if os.Getenv(envGuest) == "builds" {
		o.Before = func(dir string) error {
			build := exec.Command("sh", "-c", "sleep 7654 & echo $0; wait", dir)
			build.Stdout = os.Stdout
			Tie(build)
			return build.Run()
		}
	}
	if err := Enter(o); err != nil {
		return err
	}
	box, err := Boot(Spec{Name: "n1", Disk: filepath.Join(Disk(), "n1"), Tunables: map[string]string{"vm/overcommit_memory": "7"}})
	if err != nil {
		return err
	}
	if err := MakeCgroup(Cgroup() + "/n1/pod"); err != nil {
		return err
	}
	hierarchies, err := hierarchies()
	if err != nil {
		return err
	}
	join := ""
	for _, h := range hierarchies {
		join += fmt.Sprintf("echo $$ >%s/n1/pod/cgroup.procs || exit; ", filepath.Join(h, Cgroup()))
	}
	orphan := exec.Command("sh", "-c", join+"echo x >/var/lib/x; echo 9 >/proc/sys/vm/overcommit_memory; ! echo >/etc/capsule-was-here || exit; setsid sleep 7654 >/dev/null 2>&1 & cat /proc/sys/vm/overcommit_memory /etc/hostname >/dev/null; hostname; echo /proc/[0-9]*; cat /etc/resolv.conf; echo >/proc/sys/net/ipv4/ip_forward 1")
	var out bytes.Buffer
	orphan.Stdout = &out
	if err := box.Start(orphan); err != nil {
		return err
	}
	if err := orphan.Wait(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(Dir(), "said"), out.Bytes(), 0o600); err != nil {
		return err
	}
	if err := exec.Command("setsid", "sleep", "7654").Start(); err != nil {
		return err
	}
	fmt.Println(Dir(), os.Getpid())
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until the test ends
	return nil
}

// guest is a program in a capsule.
type guest struct {
	cmd *exec.Cmd
	dir string
}

func startGuest(t *testing.T) *guest {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make PID and mount namespaces that containers work in")
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), envGuest+"=1")
	cmd.Stderr = os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = r
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	t.Cleanup(func() {
		_ = w.Close() // so it ends, if it has not been ended
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the guest did not say where it is: %v", err)
	}
	g := &guest{cmd: cmd, dir: strings.Fields(line)[0]}
	// Those that become another program have no environment for a moment.
	if !netlab.Poll(patience, func() bool { return len(g.processes(t)) == 5 }) || len(g.leftovers(t)) < 2 {
		t.Fatalf("processes %v and leftovers %v of the guest: expected its processes, box and orphans, cgroups and a folder", g.processes(t), g.leftovers(t))
	}
	return g
}

// processes are those whose environment says that they are of the capsule.
func (g *guest) processes(t *testing.T) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		env, err := os.ReadFile(file)
		if err == nil && bytes.Contains(env, []byte(envDir+"="+g.dir)) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// leftovers are folders, cgroups and mounts.
func (g *guest) leftovers(t *testing.T) (all []string) {
	t.Helper()
	name := filepath.Base(g.dir)
	hierarchies, err := hierarchies()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(hierarchies, filepath.Dir(g.dir)) {
		if _, err := os.Stat(filepath.Join(path, name)); err == nil {
			all = append(all, filepath.Join(path, name))
		}
	}
	files, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	inside := map[int]bool{}
	for _, pid := range g.processes(t) {
		inside[pid] = true
	}
	for _, file := range files {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		mounts, err := os.ReadFile(file)
		if err == nil && !inside[pid] && bytes.Contains(mounts, []byte(name)) {
			all = append(all, file)
		}
	}
	return all
}

// awaitGone waits until no process is left.
func (g *guest) awaitGone(t *testing.T) {
	t.Helper()
	netlab.Await(t, patience, func() bool { return len(g.processes(t)) == 0 }, "the capsule's processes to be gone")
}

func (g *guest) wait() int {
	_ = g.cmd.Wait()
	return exitCode(g.cmd.ProcessState.Sys().(syscall.WaitStatus))
}

func children(t *testing.T, pid int) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, child)
		}
	}
	return pids
}

func TestBoxIsAMachineOfItsOwn(t *testing.T) {
	g := startGuest(t)
	said, err := os.ReadFile(filepath.Join(g.dir, "said"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(said), "\n")
	if lines[0] != "n1" || !strings.HasPrefix(lines[1], "/proc/1 ") || len(strings.Fields(lines[1])) > 4 || len(lines) != 3 {
		t.Errorf("the box's host name, processes and resolv.conf are\n%s", said)
	}
	for _, path := range []string{"/var/lib/x", "/etc/capsule-was-here", filepath.Join(g.dir, "disk", "n1")} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the box wrote %s of this machine: %v", path, err)
		}
	}
	value, err := os.ReadFile("/proc/sys/vm/overcommit_memory")
	if err != nil || strings.TrimSpace(string(value)) == "9" {
		t.Errorf("the box set the machine's vm.overcommit_memory: %s, %v", value, err)
	}
}

// TestNothingIsLeft ends a capsule in all ways that there are.
func TestNothingIsLeft(t *testing.T) {
	process1 := func(t *testing.T, g *guest) int { return children(t, g.cmd.Process.Pid)[0] }
	for _, test := range []struct {
		name  string
		end   func(*testing.T, *guest)
		code  int
		sweep bool // the janitor could not tidy up
	}{
		{"the program is interrupted", func(_ *testing.T, g *guest) { _ = g.cmd.Process.Signal(os.Interrupt) }, 128 + 2, false},
		{"the program is killed", func(t *testing.T, g *guest) {
			_ = unix.Kill(children(t, process1(t, g))[0], unix.SIGKILL)
		}, 128 + 9, false},
		{"process 1 is killed", func(t *testing.T, g *guest) { _ = unix.Kill(process1(t, g), unix.SIGKILL) }, 128 + 9, false},
		{"the janitor is killed", func(_ *testing.T, g *guest) { _ = g.cmd.Process.Kill() }, 128 + 9, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := startGuest(t)
			test.end(t, g)
			if code := g.wait(); code != test.code {
				t.Errorf("exit code %d, expected %d", code, test.code)
			}
			g.awaitGone(t)
			if test.sweep {
				if len(g.leftovers(t)) == 0 {
					t.Error("nothing is left to sweep: then what is a sweep for?")
				}
				if err := Sweep(); err != nil {
					t.Error(err)
				}
			}
			if left := g.leftovers(t); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestBuildsEnd kills a janitor, or asks it to end, while it has something built.
func TestBuildsEnd(t *testing.T) {
	for _, s := range []os.Signal{os.Kill, os.Interrupt} {
		t.Run(s.String(), func(t *testing.T) {
			if os.Geteuid() != 0 {
				t.Skip("needs root, to make PID namespaces")
			}
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), envGuest+"=builds")
			cmd.Stderr = os.Stderr
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			cmd.Stdout = w
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_ = w.Close()
			stdout := bufio.NewReader(r)
			line, err := stdout.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			_ = cmd.Process.Signal(s)
			_ = cmd.Wait()
			_ = r.SetReadDeadline(time.Now().Add(patience))
			// All who could write there have ended.
			if _, err := stdout.ReadString('\n'); !errors.Is(err, io.EOF) {
				t.Errorf("what was started goes on: %v", err)
			}
			if err := Sweep(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(strings.TrimSpace(line)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the folder is left: %v", err)
			}
		})
	}
}

// TestProcess1WithoutJanitor has the janitor end before process 1 could ask to
// be told.
func TestProcess1WithoutJanitor(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make PID and mount namespaces")
	}
	dead, err := self()
	if err != nil {
		t.Fatal(err)
	}
	dead.started = "1"
	name, err := dead.name("guest")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(filepath.Join(dir, "disk"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), envRole+"="+roleInit, envDir+"="+dir, envGuest+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(string(out), "has ended") {
		t.Errorf("exit code %d, %s: expected 1, and that the janitor has ended", code, out)
	}
}

func TestSweepSparesTheLiving(t *testing.T) {
	g := startGuest(t)
	before := g.leftovers(t)
	if err := Sweep(); err != nil {
		t.Error(err)
	}
	if after := g.leftovers(t); len(after) != len(before) {
		t.Errorf("of %v are left %v", before, after)
	}
	if living, err := Living("guest"); err != nil || !slices.Contains(living, g.dir) {
		t.Errorf("capsules %v, %v: expected %s", living, err, g.dir)
	}
}

func TestOwnerOf(t *testing.T) {
	for _, name := range []string{"", "kube-smcroute", "kube-smcroute-1-2-3", "kube-smcroute-Test-1-2-3", "kube-smcroute-test-1-2", "kube-smcroute-test-1-2-3-4", "kube-smcroute-test-1-99999999999999999999-2", "x-kube-smcroute-test-1-2-3"} {
		if o, ok := ownerOf(name); ok {
			t.Errorf("%q is taken for a capsule of %v", name, o)
		}
	}
	mine, err := self()
	if err != nil {
		t.Fatal(err)
	}
	name, err := mine.name("test")
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := ownerOf(name); !ok || o != mine || !o.lives() {
		t.Errorf("%q: %v, %v, expected this process, which lives", name, o, ok)
	}
	other := mine
	other.started = "1"
	if other.lives() || !other.here() {
		t.Error("a process of another start time is taken for the owner, or for one of another PID namespace")
	}
	other = mine
	other.namespace = "1"
	if other.lives() || other.here() {
		t.Error("a process of another PID namespace is taken for one that could be seen")
	}
	if _, err := mine.name("Not-this"); err == nil {
		t.Error("a label that Sweep would not know")
	}
}
