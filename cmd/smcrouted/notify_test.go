package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// manager listens as a service manager does.
func manager(t *testing.T) (path string, receive func() map[string]string) {
	path = filepath.Join(t.TempDir(), "notify")
	server, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return path, func() map[string]string {
		t.Helper()
		server.SetReadDeadline(time.Now().Add(time.Minute))
		buf := make([]byte, 4096)
		n, err := server.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		vars := make(map[string]string)
		for _, line := range strings.Split(string(buf[:n]), "\n") {
			name, value, ok := strings.Cut(line, "=")
			if !ok {
				t.Errorf("not NAME=VALUE: %q", line)
			}
			vars[name] = value
		}
		return vars
	}
}

func TestNotify(t *testing.T) {
	path, receive := manager(t)
	t.Setenv("NOTIFY_SOCKET", path)
	var n notifier
	if err := n.ready(); err != nil {
		t.Fatal(err)
	}
	if v := receive(); v["READY"] != "1" || v["STATUS"] == "" || v["MAINPID"] != strconv.Itoa(os.Getpid()) {
		t.Errorf("ready: %v", v)
	}
	uptime, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	var seconds float64
	fmt.Sscan(string(uptime), &seconds)
	if err := n.reloading(); err != nil {
		t.Fatal(err)
	}
	v := receive()
	µs, err := strconv.ParseInt(v["MONOTONIC_USEC"], 10, 64)
	if v["RELOADING"] != "1" || v["STATUS"] == "" || err != nil || µs < 1 || float64(µs)/1e6 > seconds+60 {
		t.Errorf("reloading: %v, up for %v s", v, seconds)
	}
	if err := n.stopping(); err != nil {
		t.Fatal(err)
	}
	if v := receive(); v["STOPPING"] != "1" {
		t.Errorf("stopping: %v", v)
	}
}

func TestNotifyWithoutManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := (notifier{}).ready(); err != nil {
		t.Error(err)
	}
}

func TestDaemonTellsItsManager(t *testing.T) {
	path, receive := manager(t)
	d := command(t, []string{"NOTIFY_SOCKET=" + path}, "-n")
	d.start(t)
	pid := strconv.Itoa(d.Process.Pid)
	if v := receive(); v["READY"] != "1" || v["MAINPID"] != pid {
		t.Errorf("at start: %v", v)
	}
	d.Process.Signal(hup)
	if v := receive(); v["RELOADING"] != "1" {
		t.Errorf("at reload: %v", v)
	}
	if v := receive(); v["READY"] != "1" || v["MAINPID"] != pid {
		t.Errorf("after reload: %v", v)
	}
	d.Process.Signal(term)
	if v := receive(); v["STOPPING"] != "1" {
		t.Errorf("at the end: %v", v)
	}
	if code := d.code(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
