package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/keep/wire"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// A program that is killed finds again what it had held.
func TestProgramIsKilled(t *testing.T) {
	path := socketPath(t)
	keeperAt(t, path)
	p := play(t, "program", path)
	p.says("<nil>")
	p.kill()
	k := open(t, path)
	if got := fmt.Sprint(k.Names()); got != "[program]" {
		t.Fatalf("held: %v", got)
	}
	if f := k.Get("program"); f == nil {
		t.Error("and not to be had")
	} else {
		_ = f.Close()
	}
	if !k.Lasts() {
		t.Error("it does not last")
	}
	k.Drop("program")
	_ = k.Close()
	if got := open(t, path).Names(); len(got) != 0 {
		t.Errorf("held: %v", got)
	}
}

// A keeper that is killed gets all again.
func TestKeeperIsKilled(t *testing.T) {
	path := socketPath(t)
	keeper := keeperAt(t, path)
	k := open(t, path)
	put(t, k, 10)
	keeper.kill() // and leaves a socket behind
	netlab.Await(t, within, func() bool { return !k.Connected() }, "the connection to end")
	if err := k.Put("late", socket(t), false); err == nil || !strings.Contains(err.Error(), "no keeper answers at "+path) {
		t.Errorf("got %v", err)
	}
	k.Drop("00000")
	keeperAt(t, path)
	lasts(t, k)
	_ = k.Close()
	if got := open(t, path).Names(); len(got) != 10 || got[0] != "00001" || got[9] != "late" {
		t.Errorf("held: %v", got)
	}
}

// A program that starts before its keeper works without.
func TestProgramIsFirst(t *testing.T) {
	path := socketPath(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k := keep.Open(ctx, path, nil)
	defer k.Close()
	if k.Lasts() || k.Connected() {
		t.Error("it lasts")
	}
	if err := k.Put("a", socket(t), false); err == nil {
		t.Error("it is held")
	}
	keeperAt(t, path)
	lasts(t, k)
}

// One is active, in whichever order they start, and the others take over.
func TestMirrorsTakeOver(t *testing.T) {
	path := socketPath(t)
	first := keeperAt(t, path)
	k := open(t, path)
	put(t, k, 100)
	for n := range 6 {
		next := keeperAt(t, path)
		next.says("mirroring")
		if n%2 == 0 {
			first.kill()
		} else {
			first.signal(syscall.SIGTERM)
			first.end()
			first.says("handed over")
		}
		next.says("msg=active")
		lasts(t, k)
		first = next
	}
	// Those that this program has are the same, so none of them was put again.
	if err := k.Put("more", socket(t), false); err != nil {
		t.Error(err)
	}
	_ = k.Close()
	if got := open(t, path).Names(); len(got) != 101 {
		t.Errorf("%d are held", len(got))
	}
}

// The program that follows is told what a mirror held, even if the one that put it
// there was killed with the keeper.
func TestKeeperAndProgramAreKilled(t *testing.T) {
	path := socketPath(t)
	first := keeperAt(t, path)
	second := keeperAt(t, path)
	p := play(t, "program", path)
	p.says("<nil>")
	held := func() bool {
		var out bytes.Buffer
		_ = check(t.Context(), path, &out) // the first one answers
		return strings.Contains(out.String(), "holding 1")
	}
	netlab.Await(t, within, held, "a descriptor held")
	// The mirror is told a moment later; a third one would be as well.
	third := keeperAt(t, path)
	third.says("held=1")
	first.kill()
	p.kill()
	netlab.Await(t, within, func() bool {
		return strings.Contains(second.text(), "msg=active") || strings.Contains(third.text(), "msg=active")
	}, "another active keeper")
	if got := fmt.Sprint(open(t, path).Names()); got != "[program]" {
		t.Errorf("held: %v", got)
	}
}

// A keeper that knows nothing is not active before one that knows all.
func TestNewKeeperLetsMirrorsGoFirst(t *testing.T) {
	path := socketPath(t)
	first := keeperAt(t, path)
	k := open(t, path)
	put(t, k, 3)
	mirror := keeperAt(t, path)
	_ = k.Close()
	mirror.signal(syscall.SIGSTOP)
	first.kill()
	fresh := play(t, "keeper", "--socket", path)
	fresh.says("neither active nor a mirror")
	mirror.signal(syscall.SIGCONT)
	mirror.says("msg=active")
	fresh.says("mirroring")
	if got := open(t, path).Names(); len(got) != 3 {
		t.Errorf("held: %v", got)
	}
}

// Of many that start at once one is active.
func TestManyStartAtOnce(t *testing.T) {
	path := socketPath(t)
	var all []*process
	for range 8 {
		all = append(all, play(t, "keeper", "--socket", path))
	}
	active := 0
	for _, p := range all {
		netlab.Await(t, within, func() bool {
			return strings.Contains(p.text(), "msg=active") || strings.Contains(p.text(), "mirroring")
		}, "a keeper that works")
		if strings.Contains(p.text(), "msg=active") {
			active++
		}
	}
	if active != 1 {
		t.Errorf("%d are active", active)
	}
	// All at once they end as well, and somebody is the last.
	for _, p := range all {
		p.signal(syscall.SIGTERM)
	}
	for _, p := range all {
		p.end()
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket is there")
	}
}

// Ten thousand descriptors go from one to the next while more come.
func TestHandOverUnderLoad(t *testing.T) {
	many := 10000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	many = min(many, int(limit.Max)/2)
	path := socketPath(t)
	first := keeperAt(t, path)
	k := open(t, path)
	put(t, k, many)
	began := time.Now()
	second := keeperAt(t, path)
	t.Logf("%d descriptors mirrored in %v", many, time.Since(began))
	stop, put := make(chan struct{}), make(chan int)
	fd := socket(t)
	go func() {
		n := 0
		defer func() { put <- n }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			// It fails while nobody answers.
			_ = k.Put(fmt.Sprintf("load%d", n%100), fd, false)
			k.Drop(fmt.Sprintf("load%d", (n+50)%100))
			n++
		}
	}()
	for range 4 {
		first.signal(syscall.SIGTERM)
		first.end()
		second.says("msg=active")
		lasts := func() bool { return k.Connected() }
		netlab.Await(t, within, lasts, "a connection to the next keeper")
		first, second = second, keeperAt(t, path)
	}
	close(stop)
	t.Logf("%d changes meanwhile", 2*<-put)
	lasts(t, k)
	want := k.Names()
	_ = k.Close()
	if got := open(t, path).Names(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d are held, %d should be", len(got), len(want))
	}
}

// Nobody needs more descriptors after many connections and changes.
func TestCyclesLeakNothing(t *testing.T) {
	path := socketPath(t)
	keeper := keeperAt(t, path)
	mirror := keeperAt(t, path)
	fd := socket(t)
	count := func(pid int) int {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	pids := []int{os.Getpid(), keeper.cmd.Process.Pid, mirror.cmd.Process.Pid}
	var before []int
	for _, pid := range pids {
		before = append(before, count(pid))
	}
	for range 100 {
		k := open(t, path)
		for i := range 20 {
			if err := k.Put(fmt.Sprint(i), fd, i%2 == 0); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 20 {
			k.Drop(fmt.Sprint(i))
		}
		_ = k.Close()
	}
	for i, pid := range pids {
		netlab.Await(t, within, func() bool { return count(pid) <= before[i]+3 },
			fmt.Sprintf("process %d of %d to have as many descriptors as before, %d, and a few of the runtime", i, len(pids), before[i]))
	}
}

// A keeper of a version that nobody here understands is told so, and a newer one
// that understands this one is a mirror.
func TestOtherVersions(t *testing.T) {
	path := socketPath(t)
	keeper := keeperAt(t, path)
	hello := func(m wire.Message) (*wire.Conn, error) {
		c, err := net.DialUnix(wire.Network, nil, &net.UnixAddr{Name: path, Net: wire.Network})
		if err != nil {
			t.Fatal(err)
		}
		conn := wire.NewConn(c)
		t.Cleanup(func() { _ = conn.Close() })
		if err := conn.Send(m, nil); err != nil {
			t.Fatal(err)
		}
		answer, _, err := conn.Receive()
		if err != nil {
			t.Fatal(err)
		}
		return conn, answer.Err()
	}
	if _, err := hello(wire.Message{Op: wire.Hello, Version: 9, Oldest: 8, Role: wire.Mirror}); err == nil || !strings.Contains(err.Error(), "versions 8 to 9") {
		t.Errorf("got %v", err)
	}
	keeper.says("versions 8 to 9")
	c, err := hello(wire.Message{Op: wire.Hello, Version: 9, Oldest: 1, Role: wire.Mirror})
	if err != nil {
		t.Fatal(err)
	}
	if m, _, err := c.Receive(); err != nil || m.Op != wire.Synced {
		t.Errorf("got %+v, %v", m, err)
	}
	// It asks for something that only a newer one does.
	if err := c.Send(wire.Message{Op: "dance"}, nil); err != nil {
		t.Fatal(err)
	}
	if m, _, err := c.Receive(); err != nil || m.Error != `"dance" is not understood` {
		t.Errorf("got %+v, %v", m, err)
	}
}

// Who says nothing keeps nobody waiting.
func TestStalledProgram(t *testing.T) {
	path := socketPath(t)
	keeperAt(t, path)
	p := play(t, "program", path)
	p.says("<nil>")
	p.signal(syscall.SIGSTOP)
	k := open(t, path)
	put(t, k, 1000)
	if !k.Lasts() {
		t.Error("it does not last")
	}
}

// A keeper that hangs does not hold up a program for each of its sockets.
func TestStalledKeeper(t *testing.T) {
	path := socketPath(t)
	p := keeperAt(t, path)
	k := open(t, path)
	if err := k.Put("table"+keep.OwnerSuffix, socket(t), false); err != nil {
		t.Fatal(err)
	}
	lasts(t, k)
	p.signal(syscall.SIGSTOP)
	done := make(chan struct{})
	go func() {
		defer close(done)
		fd := socket(t)
		for i := range 1000 {
			err := k.Put(fmt.Sprintf("more/%d", i), fd, false)
			if i == 999 && err == nil {
				t.Error("nobody tells that the keeper does not hold what it was told to")
			}
		}
		for i := range 500 {
			k.Drop(fmt.Sprintf("more/%d", i))
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute): // it would be 50 minutes
		t.Error("a program waits for a keeper that hangs again and again")
	}
	if k.Alike() || !k.Lasts() {
		t.Error("the table is held, but would be emptied by who ends for the sake of what is not")
	}
	p.signal(syscall.SIGCONT)
	<-done
	lasts(t, k)
	if n := len(open(t, path).Names()); n != 501 {
		t.Errorf("the keeper holds %d names, want 501", n)
	}
}

// The file of another kind at the path is not replaced.
func TestSomethingInTheWay(t *testing.T) {
	path := socketPath(t)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"--socket", path}, &stderr, &stderr)
	if code != exitFailure || !strings.Contains(stderr.String(), path+" is in the way: expected a socket, or nothing") {
		t.Errorf("%d: %s", code, stderr.String())
	}
}

// needOtherUser skips the test where no process can be another user's.
func needOtherUser(t *testing.T) {
	t.Helper()
	var inside, outside, length uint64
	b, err := os.ReadFile("/proc/self/uid_map")
	if err == nil {
		_, err = fmt.Sscan(string(b), &inside, &outside, &length)
	}
	if err != nil || os.Geteuid() != 0 || length <= 65532 {
		t.Skip("needs a process of another user: run as root")
	}
}

// Another user gets nothing, even where the file would allow it.
func TestOtherUserIsRefused(t *testing.T) {
	needOtherUser(t)
	path := socketPath(t)
	keeper := keeperAt(t, path)
	for file, mode := range map[string]os.FileMode{filepath.Dir(path): 0o755, path: 0o666} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, "program", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}, path)
	keeper.says("belongs to the user 65532: expected 0 or root")
	if strings.Contains(p.text(), "<nil>") {
		t.Error("it has something held")
	}
}

// The other way round: nothing is given to a keeper of another user.
func TestKeeperOfOtherUser(t *testing.T) {
	needOtherUser(t)
	path := socketPath(t)
	if err := os.Chown(filepath.Dir(path), 65532, 65532); err != nil {
		t.Fatal(err)
	}
	other := start(t, "keeper", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}, "--socket", path)
	other.says("msg=active")
	_, err := wire.Dial(t.Context(), path, wire.Program)
	if err == nil || !strings.Contains(err.Error(), "belongs to the user 65532: expected 0 or root") {
		t.Errorf("got %v", err)
	}
}

// A keeper in the background works when its parent returns.
func TestDaemon(t *testing.T) {
	path := socketPath(t)
	if code, out := runKeeper(t, "--daemon", "--socket", path); code != exitOK {
		t.Fatalf("%d: %s", code, out)
	}
	if code, out := runKeeper(t, "check", "--socket", path); code != exitOK || !strings.Contains(out, "ready: is the active keeper, holding 0") {
		t.Errorf("%d: %s", code, out)
	}
	k := open(t, path)
	put(t, k, 3)
	_ = k.Close()
	if code, out := runKeeper(t, "stop", "--socket", path); code != exitOK {
		t.Errorf("%d: %s", code, out)
	}
	if code, out := runKeeper(t, "check", "--socket", path); code != exitFailure {
		t.Errorf("%d: %s", code, out)
	}
	if code, out := runKeeper(t, "--daemon", "--socket", "/nowhere/s"); code != exitFailure || !strings.Contains(out, "/nowhere/s.lock") {
		t.Errorf("%d: %s", code, out)
	}
}

// A keeper that is no mirror yet is not ready.
func TestCheckOfOneThatIsNotReady(t *testing.T) {
	path := socketPath(t)
	k := newKeeper(&options{socket: path}, slog.New(slog.DiscardHandler), nil)
	defer k.answerChecks()()
	var out bytes.Buffer
	if err := check(t.Context(), path, &out); err == nil || out.String() != "not ready: starting, holding 0\n" {
		t.Errorf("got %v: %s", err, out.String())
	}
}

func TestSocketIsPrivate(t *testing.T) {
	path := socketPath(t)
	keeperAt(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}
