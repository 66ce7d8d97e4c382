package podns_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/netns"
	"github.com/smcroute/kube-smcroute/controllers/podns"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

func TestMain(m *testing.M) { netlab.Main(m) }

// pod is a network namespace with an address, as a network plug-in makes it,
// and the file that pins it.
//
//	node === eth0 pod
type pod struct {
	ns   *netlab.NS
	path string
	ip   netip.Addr
}

func newPod(t *testing.T, name, ip string) *pod {
	p := &pod{ns: netlab.New(t), path: filepath.Join(t.TempDir(), name), ip: netip.MustParseAddr(ip)}
	p.ns.Veth("eth0", netlab.New(t), "peer")
	p.ns.AddAddr("eth0", netip.PrefixFrom(p.ip, p.ip.BitLen()))
	pin(t, p.ns.Path(), p.path)
	return p
}

// pin does what "ip netns add" does.
func pin(t *testing.T, ns, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(ns, path, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unpin(path) })
}

func unpin(path string) {
	_ = unix.Unmount(path, unix.MNT_DETACH)
	_ = os.Remove(path)
}

func (p *pod) place(t *testing.T) mroute.Place {
	t.Helper()
	ns, err := netns.Open(p.path)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	id, err := ns.ID()
	if err != nil {
		t.Fatal(err)
	}
	return mroute.Place{NetNS: p.path, ID: id}
}

func newFinder(t *testing.T, o podns.Options) *podns.Finder {
	t.Helper()
	f, err := podns.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func find(t *testing.T, f *podns.Finder, uid string, ips ...netip.Addr) (mroute.Place, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return f.Find(ctx, uid, ips)
}

func wantPlace(t *testing.T, f *podns.Finder, uid string, p *pod) {
	t.Helper()
	got, err := find(t, f, uid, p.ip)
	if want := p.place(t); err != nil || got != want {
		t.Errorf("pod %s: %+v, %v, want %+v", uid, got, err, want)
	}
}

func wantError(t *testing.T, f *podns.Finder, uid string, ip netip.Addr, text string) error {
	t.Helper()
	got, err := find(t, f, uid, ip)
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("pod %s: %+v, %v, want an error with %q", uid, got, err, text)
	}
	return err
}

// Several pods on a node, of both families and both runtimes' ways to put it.
func TestPods(t *testing.T) {
	runtime := newRuntime(t)
	a, b := newPod(t, "cni-a", "10.0.0.7"), newPod(t, "cni-b", "2001:db8::7")
	runtime.set(
		box{id: "1", uid: "a", name: "a", info: containerd(a.path, 0)},
		box{id: "2", uid: "b", name: "b", info: crio(b.path)},
	)
	f := newFinder(t, podns.Options{Endpoint: "unix://" + runtime.socket})
	wantPlace(t, f, "a", a)
	wantPlace(t, f, "b", b)
}

// The runtime is not asked again for what is known, until that is old.
func TestRecheck(t *testing.T) {
	runtime := newRuntime(t)
	a := newPod(t, "cni-a", "10.0.0.7")
	runtime.set(box{id: "1", uid: "a", name: "a", info: containerd(a.path, 0)})
	lazy := newFinder(t, podns.Options{Endpoint: runtime.socket, Recheck: time.Hour})
	for range 10 {
		wantPlace(t, lazy, "a", a)
	}
	if n := runtime.calls(); n != 1 {
		t.Errorf("the runtime was asked %d times, want once", n)
	}
	wantError(t, lazy, "a", netip.MustParseAddr("10.0.0.8"), "does not hold 10.0.0.8")
	if n := runtime.calls(); n != 2 {
		t.Errorf("the runtime was asked %d times, want twice: the address was another", n)
	}
	eager := newFinder(t, podns.Options{Endpoint: runtime.socket, Recheck: time.Nanosecond})
	wantPlace(t, eager, "a", a)
	wantPlace(t, eager, "a", a)
	if n := runtime.calls(); n != 4 {
		t.Errorf("the runtime was asked %d times, want 4", n)
	}
}

// A pod whose sandbox was made anew has another namespace: with a path of its
// own, or at the old path.
func TestRestart(t *testing.T) {
	runtime := newRuntime(t)
	old := newPod(t, "cni-1", "10.0.0.7")
	first := box{id: "1", uid: "a", name: "a", created: 1, info: containerd(old.path, 0)}
	runtime.set(first)
	f := newFinder(t, podns.Options{Endpoint: runtime.socket, Recheck: time.Hour})
	wantPlace(t, f, "a", old)
	gone := old.place(t)

	first.dead = true
	runtime.set(first)
	unpin(old.path)
	if err := wantError(t, f, "a", old.ip, "no running sandbox"); !errors.Is(err, podns.ErrNotReady) {
		t.Errorf("%v is not ErrNotReady", err)
	}

	fresh := newPod(t, "cni-2", "10.0.0.8")
	second := box{id: "2", uid: "a", name: "a", created: 2, info: containerd(fresh.path, 0)}
	runtime.set(first, second)
	wantPlace(t, f, "a", fresh)

	// Behind the finder's back, another namespace at that path.
	unpin(fresh.path)
	other := newPod(t, "cni-3", "10.0.0.8")
	pin(t, other.ns.Path(), fresh.path)
	wantPlace(t, f, "a", fresh)
	if now := fresh.place(t); now.ID == gone.ID || now.ID != other.place(t).ID {
		t.Errorf("the identities do not tell the namespaces apart: %v, %v", gone, now)
	}
}

// Of two ready sandboxes the newer one counts, whatever their order.
func TestNewest(t *testing.T) {
	runtime := newRuntime(t)
	old, fresh := newPod(t, "cni-1", "10.0.0.7"), newPod(t, "cni-2", "10.0.0.7")
	boxes := []box{
		{id: "2", uid: "a", name: "a", created: 2, info: containerd(fresh.path, 0)},
		{id: "1", uid: "a", name: "a", created: 1, info: containerd(old.path, 0)},
	}
	f := newFinder(t, podns.Options{Endpoint: runtime.socket, Recheck: time.Nanosecond})
	runtime.set(boxes...)
	wantPlace(t, f, "a", fresh)
	runtime.set(boxes[1], boxes[0])
	wantPlace(t, f, "a", fresh)
}

// Nothing that the runtime says is taken on trust.
func TestRefused(t *testing.T) {
	runtime := newRuntime(t)
	a := newPod(t, "cni-a", "10.0.0.7")
	dir := t.TempDir()
	file, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), unix.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	// The tests are in a namespace of their own, but process 1 is the machine's.
	// Where it may not be looked at, so may its namespace not.
	first := "/proc/1/ns/net is the node's own network namespace"
	if _, err := os.Stat("/proc/1/ns/net"); err != nil {
		first = "/proc/1/ns/net: permission denied"
	}
	f := newFinder(t, podns.Options{Endpoint: runtime.socket})
	for _, tt := range []struct {
		name string
		box  box
		want string
	}{
		{"other address", box{info: containerd(newPod(t, "cni-b", "10.0.0.8").path, 0)}, "cni-b does not hold 10.0.0.7"},
		{"own namespace", box{info: containerd("/proc/self/ns/net", 0)}, "/proc/self/ns/net is the node's own network namespace"},
		{"own namespace by PID", box{info: fmt.Sprintf(`{"pid":%d}`, os.Getpid())}, "is the node's own network namespace"},
		{"namespace of process 1", box{info: containerd("/proc/1/ns/net", 1)}, first},
		{"other namespace", box{info: containerd("/proc/self/ns/mnt", 0)}, "/proc/self/ns/mnt is not a network namespace"},
		{"file", box{info: containerd(file, 0)}, "file is not a network namespace"},
		{"FIFO", box{info: containerd(fifo, 0)}, "fifo is not a network namespace"},
		{"gone", box{info: containerd(dir+"/gone", 0)}, "gone: no such file or directory; /run/netns of the node has to be mounted"},
		{"relative path", box{info: containerd("netns/a", 0)}, "expected an absolute path"},
		{"host network", box{host: true, info: containerd(a.path, 0)}, "pod tv/a uses the node's own network"},
		{"no details", box{}, "gives no details of its sandbox"},
		{"no JSON", box{info: "{"}, "unexpected end of JSON input"},
		{"no namespace", box{info: `{"pid":0,"runtimeSpec":{"linux":{"namespaces":[{"type":"pid"}]}}}`}, "names no network namespace"},
		{"no runtimeSpec", box{info: `{"runtimeSpec":null}`}, "names no network namespace"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.box.id, tt.box.uid, tt.box.name = "1", "a", "a"
			runtime.set(tt.box)
			err := wantError(t, f, "a", a.ip, tt.want)
			if err != nil && !strings.Contains(err.Error(), "pod tv/a") {
				t.Errorf("%v: the pod is not named", err)
			}
			if errors.Is(err, podns.ErrNotReady) {
				t.Errorf("%v is ErrNotReady", err)
			}
		})
	}
}

// Without a pinned namespace there is that of the sandbox's process.
func TestProcess(t *testing.T) {
	runtime := newRuntime(t)
	a := newPod(t, "cni-a", "10.0.0.7")
	cmd := a.ns.Command("/bin/sleep", "infinity")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	path := fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid)
	netlab.Await(t, time.Minute, func() bool {
		ns, err := netns.Open(path)
		if err != nil {
			return false
		}
		defer ns.Close()
		id, err := ns.ID()
		return err == nil && id == a.place(t).ID
	}, "the process to be in the pod's namespace")
	for name, info := range map[string]string{
		"no path":      fmt.Sprintf(`{"pid":%d}`, cmd.Process.Pid),
		"path is gone": containerd("/var/run/netns/gone", cmd.Process.Pid),
	} {
		t.Run(name, func(t *testing.T) {
			runtime.set(box{id: "1", uid: "a", name: "a", info: info})
			got, err := find(t, newFinder(t, podns.Options{Endpoint: runtime.socket}), "a", a.ip)
			if want := (mroute.Place{NetNS: path, ID: a.place(t).ID}); err != nil || got != want {
				t.Errorf("%+v, %v, want %+v", got, err, want)
			}
		})
	}
}

// A runtime that gives more than it was asked for does not get us into another
// pod.
func TestSloppyRuntime(t *testing.T) {
	runtime := newRuntime(t)
	runtime.ignoreFilter = true
	a, b := newPod(t, "cni-a", "10.0.0.7"), newPod(t, "cni-b", "10.0.0.7")
	runtime.set(
		box{id: "1", uid: "a", name: "a", created: 1, info: containerd(a.path, 0)},
		box{id: "2", uid: "b", name: "b", created: 2, info: containerd(b.path, 0)},
		box{id: "3", uid: "a", name: "a", created: 3, dead: true, info: containerd(b.path, 0)},
	)
	f := newFinder(t, podns.Options{Endpoint: runtime.socket})
	wantPlace(t, f, "a", a)
}

// The runtime may come late, and be restarted.
func TestRuntimeRestart(t *testing.T) {
	runtime := &fakeRuntime{socket: filepath.Join(t.TempDir(), "cri.sock")}
	a := newPod(t, "cni-a", "10.0.0.7")
	runtime.set(box{id: "1", uid: "a", name: "a", info: containerd(a.path, 0)})
	f := newFinder(t, podns.Options{Endpoint: runtime.socket, Recheck: time.Nanosecond})
	wantError(t, f, "a", a.ip, runtime.socket)

	await := func() {
		t.Helper()
		netlab.Await(t, time.Minute, func() bool {
			got, err := find(t, f, "a", a.ip)
			return err == nil && got == a.place(t)
		}, "the runtime to be asked again")
	}
	stop := runtime.serve(t)
	await()
	stop()
	wantError(t, f, "a", a.ip, "asking the container runtime for the sandbox of pod a")
	runtime.serve(t)
	await()
}

func TestNotYet(t *testing.T) {
	runtime := newRuntime(t)
	f := newFinder(t, podns.Options{Endpoint: runtime.socket})
	if _, err := find(t, f, "a"); !errors.Is(err, podns.ErrNotReady) {
		t.Errorf("without an address: %v", err)
	}
	if err := wantError(t, f, "a", netip.MustParseAddr("10.0.0.7"), "no running sandbox of pod a"); !errors.Is(err, podns.ErrNotReady) {
		t.Errorf("without a sandbox: %v", err)
	}
}

func TestEndpoint(t *testing.T) {
	for _, endpoint := range []string{"tcp://127.0.0.1:1", "run/cri.sock", "unix://cri.sock"} {
		if _, err := podns.New(podns.Options{Endpoint: endpoint}); err == nil || !strings.Contains(err.Error(), endpoint[len(endpoint)-8:]) {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
	old := podns.DefaultEndpoints
	defer func() { podns.DefaultEndpoints = old }()
	runtime := newRuntime(t)
	podns.DefaultEndpoints = []string{"/nowhere/a.sock", "/nowhere/b.sock"}
	f := newFinder(t, podns.Options{Timeout: time.Second})
	wantError(t, f, "a", netip.MustParseAddr("10.0.0.7"), "none of the container runtimes' sockets /nowhere/a.sock, /nowhere/b.sock is there")
	podns.DefaultEndpoints = []string{"/nowhere/a.sock", runtime.socket}
	f = newFinder(t, podns.Options{})
	wantError(t, f, "a", netip.MustParseAddr("10.0.0.7"), "no running sandbox")
}
