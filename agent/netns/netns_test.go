package netns_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/netns"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

func open(t *testing.T, path string) *netns.Namespace {
	t.Helper()
	ns, err := netns.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Close)
	return ns
}

func id(t *testing.T, path string) string {
	t.Helper()
	id, err := open(t, path).ID()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// An id is the same on every way to a namespace, and tells it from others.
func TestID(t *testing.T) {
	a, b := netlab.New(t), netlab.New(t)
	if got, want := id(t, a.Path()), id(t, a.ProcPath()); got != want {
		t.Errorf("one namespace has the ids %s and %s", got, want)
	}
	if got, want := id(t, ""), id(t, "/proc/thread-self/ns/net"); got != want {
		t.Errorf("the namespace of the process has the ids %s and %s", got, want)
	}
	seen := map[string]string{}
	for name, path := range map[string]string{"a": a.Path(), "b": b.Path(), "own": ""} {
		if other, ok := seen[id(t, path)]; ok {
			t.Errorf("%s and %s have the same id", name, other)
		}
		seen[id(t, path)] = name
	}
}

// The error says which path, and f is not called: never somewhere else.
func TestErrors(t *testing.T) {
	dir := t.TempDir()
	file, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), unix.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	netlab.New(t) // skips where namespaces are not available
	for _, tt := range []struct {
		path string
		want error
	}{
		{filepath.Join(dir, "missing"), os.ErrNotExist},
		{file, unix.EINVAL},
		{fifo, unix.EINVAL},
		{"/proc/self/ns/mnt", unix.EINVAL},
	} {
		err := netns.Do(tt.path, func() error { t.Errorf("%s: f was called", tt.path); return nil })
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.path) {
			t.Errorf("%s: %v, want %v", tt.path, err, tt.want)
		}
	}
	if err := netns.Do("", func() error { return os.ErrClosed }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the error of f came out as %v", err)
	}
}

// Kernel notes 28 and 29: many goroutines at a time do something in another
// namespace. Each of them is there, and afterwards no thread is; the main thread
// never was. In the child, as in a daemon, nothing holds the main thread.
func TestThreads(t *testing.T) {
	ns := netlab.New(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"="+ns.ProcPath())
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "ok\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

const visitors = 600

func childMain(path string) {
	runtime.UnlockOSThread() // netlab's init has locked it
	if err := visit(path); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ok")
}

func visit(path string) error {
	ns, err := netns.Open(path)
	if err != nil {
		return err
	}
	defer ns.Close()
	there, err := os.Readlink(path)
	if err != nil {
		return err
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	var onMain atomic.Int32
	errs := make([]error, visitors)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			if unix.Gettid() == unix.Getpid() {
				onMain.Add(1)
			}
			errs[i] = ns.Do(func() error {
				is, err := os.Readlink("/proc/thread-self/ns/net")
				if err == nil && is != there {
					err = fmt.Errorf("f ran in %s, want %s", is, there)
				}
				main, mainErr := os.Readlink("/proc/self/ns/net")
				if mainErr == nil && main != own {
					mainErr = fmt.Errorf("the main thread is in %s, want %s", main, own)
				}
				return errors.Join(err, mainErr)
			})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if onMain.Load() == 0 {
		return errors.New("no goroutine ran on the main thread: this test shows nothing")
	}
	var left string
	if !netlab.Poll(5*time.Second, func() bool {
		left = threadsIn(there)
		return left == ""
	}) {
		return fmt.Errorf("threads that stayed in the namespace: %s", left)
	}
	return nil
}

// threadsIn lists the threads of this process that are in a namespace.
func threadsIn(ns string) (tids string) {
	files, _ := filepath.Glob("/proc/self/task/*/ns/net")
	for _, f := range files {
		if is, err := os.Readlink(f); err == nil && is == ns {
			tids += " " + strings.Split(f, "/")[4]
		}
	}
	return tids
}
