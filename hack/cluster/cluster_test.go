package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/hack/image/oci"
	"github.com/smcroute/kube-smcroute/test/clusterlab"
	"github.com/smcroute/kube-smcroute/test/clusterlab/capsule"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// envMain makes the test binary the program.
const envMain = "CLUSTER_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(envMain) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// patience is how long anything may take on a busy machine.
const patience = time.Minute

// tool is the program, with a folder for temporary files of its own, so that it
// does not meet a cluster of people.
type tool struct {
	t   *testing.T
	dir string
}

func newTool(t *testing.T) *tool {
	t.Helper()
	// As people may have it: the path of a socket must not be as long.
	dir, err := os.MkdirTemp("", strings.Repeat("a long name ", 6))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return &tool{t, dir}
}

func (c *tool) command(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), envMain+"=1", "TMPDIR="+c.dir)
	return cmd
}

// run returns what the program prints, and its exit code.
func (c *tool) run(stdin string, args ...string) (string, int) {
	c.t.Helper()
	cmd := c.command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (c *tool) want(code int, part, stdin string, args ...string) {
	c.t.Helper()
	if out, got := c.run(stdin, args...); got != code || !strings.Contains(out, part) {
		c.t.Errorf("cluster %s: exit code %d, expected %d, and %q:\n%s", strings.Join(args, " "), got, code, part, out)
	}
}

// tiny makes a tiny image.
func (c *tool) tiny() string {
	c.t.Helper()
	image := filepath.Join(c.dir, "tiny.tar")
	index, err := oci.Index(oci.Image{Files: []oci.File{{Path: "/nothing", Mode: 0o644}}})
	if err == nil {
		_, err = oci.Write(image, "tiny.test/tiny:1", index)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return image
}

// up starts a cluster of one node with a tiny image, and returns its folder. It
// is down at the end of the test.
func (c *tool) up() string {
	c.t.Helper()
	image := c.tiny()
	c.t.Cleanup(func() { c.want(0, "", "", "down") })
	began := time.Now()
	c.want(0, "The cluster is up.", "", "up", "-nodes=1", "-image="+image)
	c.t.Logf("up after %v", time.Since(began).Round(100*time.Millisecond))
	dirs, err := filepath.Glob(filepath.Join(c.dir, "kube-smcroute-cluster-*"))
	if err != nil || len(dirs) != 1 {
		c.t.Fatalf("folders %v, %v: expected one", dirs, err)
	}
	return dirs[0]
}

// processes are those of a cluster: by their environment, or if they are of a
// container by their cgroup. Mounts are those of its disk, in any namespace.
func processes(t *testing.T, dir string) (pids []int, mounts bool) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		has := func(name, what string) bool {
			text, err := os.ReadFile(filepath.Join("/proc", e.Name(), name))
			return err == nil && bytes.Contains(text, []byte(what))
		}
		if has("environ", "CAPSULE_DIR="+dir) || has("cgroup", "/"+filepath.Base(dir)) {
			pids = append(pids, pid)
		}
		mounts = mounts || has("mountinfo", filepath.Base(dir))
	}
	return pids, mounts
}

// cgroups are the directories of a cluster's.
func cgroups(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob("/sys/fs/cgroup/*/" + filepath.Base(dir))
	if err != nil {
		t.Fatal(err)
	}
	if unified := filepath.Join("/sys/fs/cgroup", filepath.Base(dir)); exists(unified) {
		found = append(found, unified)
	}
	return found
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func awaitGone(t *testing.T, dir string) {
	t.Helper()
	netlab.Await(t, patience, func() bool {
		pids, mounts := processes(t, dir)
		return len(pids) == 0 && !mounts
	}, "processes and mounts of the cluster to be gone")
}

func needsCluster(t *testing.T) {
	t.Helper()
	err := clusterlab.Look()
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("needs a cluster: %v", err)
	}
}

func TestUsage(t *testing.T) {
	c := newTool(t)
	c.want(64, "Usage:", "")
	c.want(64, "Usage:", "", "sideways")
	c.want(0, "Usage:", "", "help")
	c.want(1, "down now: expected no arguments", "", "down", "now")
	c.want(1, "no cluster is up, with a folder in "+c.dir+": start one with make cluster-up", "", "kubectl", "get", "nodes")
	c.want(1, "-nodes=10: expected 1 to 9", "", "up", "-nodes=10")
	c.want(1, "unknown argument", "", "up", "please")
	c.want(2, "no such file", "", "up", "-image=/nowhere.tar")
}

// TestUpAndDown does what people do.
func TestUpAndDown(t *testing.T) {
	needsCluster(t)
	c := newTool(t)
	dir := c.up()
	c.want(1, "a cluster is up already", "", "up")
	c.want(0, "n1", "", "status")
	c.want(0, "export KUBECONFIG='"+dir+"/kubeconfig'", "", "env")
	c.want(1, "status n1: expected no arguments", "", "status", "n1")
	c.want(0, "n1 Ready", "", "kubectl", "get", "node", "n1", "-o", `jsonpath={.metadata.name} {.status.conditions[?(@.status=="True")].type}`)
	c.want(0, "NAME", "", "helm", "list")
	c.want(0, "kubelet-n1", "", "logs")
	c.want(0, "kubelet", "", "logs", "kubelet-n1")
	c.want(0, "tiny.test/tiny:1", "", "exec", "n1", "ctr", "-n", "k8s.io", "images", "list")
	c.want(0, "10.77.0.101", "", "exec", "studio", "cat", "/proc/net/fib_trie")
	c.want(7, "from the input", "from the input", "exec", "n1", "sh", "-c", "cat; exit 7")
	c.want(128+15, "", "", "exec", "control", "sh", "-c", "kill $$")
	c.want(1, "expected a machine, which are n1, studio, control", "", "exec", "n9", "true")
	c.want(1, "no-such-program", "", "exec", "n1", "no-such-program")

	// A command ends with the client.
	client := c.command("exec", "n1", "sleep", "4321")
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	sleeps := func() bool { _, code := c.run("", "exec", "n1", "pgrep", "-f", "^sleep 4321"); return code == 0 }
	netlab.Await(t, patience, sleeps, "the command to run")
	_ = client.Process.Kill()
	_ = client.Wait()
	netlab.Await(t, patience, func() bool { return !sleeps() }, "the command to end with its client")

	c.want(0, "", "", "down")
	if pids, mounts := processes(t, dir); len(pids) > 0 || mounts || exists(dir) || len(cgroups(t, dir)) > 0 {
		t.Errorf("after down there are processes %v, mounts: %v, folder: %v, cgroups %v", pids, mounts, exists(dir), cgroups(t, dir))
	}
	c.want(0, "no cluster is up", "", "down")
}

// TestInterrupted interrupts up while the cluster starts.
func TestInterrupted(t *testing.T) {
	needsCluster(t)
	c := newTool(t)
	up := c.command("up", "-nodes=1", "-image="+c.tiny())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	up.Stdout, up.Stderr = w, w
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	_ = r.SetReadDeadline(time.Now().Add(patience))
	lines, interrupted := bufio.NewScanner(r), false
	for lines.Scan() {
		if strings.Contains(lines.Text(), "the nodes have power") {
			interrupted = true
			_ = up.Process.Signal(os.Interrupt)
		}
		if strings.Contains(lines.Text(), "is Ready") {
			t.Error("it went on after it was interrupted")
		}
	}
	_ = up.Wait()
	if !interrupted || up.ProcessState.ExitCode() != 1 {
		t.Errorf("interrupted: %v, %v: expected exit code 1", interrupted, up.ProcessState)
	}
	if left, err := filepath.Glob(filepath.Join(c.dir, "kube-smcroute-*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestSupervisorIsKilled kills what would tidy up, with a pod on the node.
func TestSupervisorIsKilled(t *testing.T) {
	needsCluster(t)
	c := newTool(t)
	dir := c.up()
	c.want(0, "created", `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tiny"}, "spec": {
		"containers": [{"name": "tiny", "image": "kube-smcroute.test/pause:1"}]}}`, "kubectl", "create", "-f", "-")
	c.want(0, "condition met", "", "kubectl", "wait", "pod", "tiny", "--for=condition=Ready", "--timeout=60s")
	if pids, mounts := processes(t, dir); len(pids) < 12 || !mounts || len(cgroups(t, dir)) == 0 {
		t.Fatalf("processes %v, mounts: %v, cgroups %v: expected those of a cluster", pids, mounts, cgroups(t, dir))
	}
	pid, err := capsule.PID(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, dir)
	c.want(1, "no cluster is up", "", "status")
	if !exists(dir) || len(cgroups(t, dir)) == 0 {
		t.Error("folder and cgroups are gone: who did that?")
	}
	c.want(0, "no cluster is up", "", "down")
	if exists(dir) || len(cgroups(t, dir)) > 0 {
		t.Errorf("left: %s: %v, cgroups %v", dir, exists(dir), cgroups(t, dir))
	}
}
