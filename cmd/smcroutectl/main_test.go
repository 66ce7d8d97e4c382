package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/cmd/internal/install"
)

// daemon is the far end of a test: it records requests, and answers as told.
type daemon struct {
	socket string

	mu       sync.Mutex
	requests []string
}

const listingText = "Some Table_\nNAME  IIF=\na     eth0\nb     eth1 \n"

func startDaemon(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{socket: filepath.Join(t.TempDir(), "test.sock")}
	s, err := ipc.Listen(d.socket, ipc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, d) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *daemon) Handle(_ context.Context, req ipc.Request, out io.Writer) error {
	text, err := d.answer(req)
	_, _ = io.WriteString(out, text)
	return err
}

func (d *daemon) answer(req ipc.Request) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests = append(d.requests, strings.Join(append([]string{string(req.Command)}, req.Args...), " "))
	switch {
	case len(req.Args) > 0 && req.Args[0] == "bad":
		return "", errors.New("no interface bad\nlast log line")
	case len(req.Args) > 0 && req.Args[0] == "pending":
		return "", nil
	case req.Command == ipc.State: // all of it, as of a daemon that knows no arguments of that
		return knownState, nil
	case req.Command == ipc.ShowJSON:
		return "{\"a_\":1}\n", nil
	}
	return listingText, nil
}

func (d *daemon) heard() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.requests
	d.requests = nil
	return h
}

// result is what a run leaves.
type result struct {
	Code           int
	Stdout, Stderr string
}

func runWith(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// TestRequests: what the daemon hears of a command line.
func TestRequests(t *testing.T) {
	d := startDaemon(t)
	for _, tt := range []struct{ args, want string }{
		{"", "s"},
		{"show", "s"},
		{"s", "s"},
		{"showing", "s"},
		{"show groups", "s groups"},
		{"show -d groups", "S groups"},
		{"show routes -d -p", "S routes"},
		{"-dp", "S"},
		{"-j show interfaces", "J interfaces"},
		{"-jd", "J"},
		{"--json --detail show", "J"},
		{"f", "F"},
		{"flush -j", "F"},
		{"r", "H"},
		{"reload", "H"},
		{"rest", "H"},
		{"k", "k"},
		{"add a1 225.1.2.3 a2", "a a1 225.1.2.3 a2"},
		{"a a1 1.2.3.0/24 225.1.2.3 a2 a3", "a a1 1.2.3.0/24 225.1.2.3 a2 a3"},
		{"add wpan0 :: :: 65472 eth0", "a wpan0 :: :: 65472 eth0"},
		{"add a1 225.1.2.3 -1 - a+", "a a1 225.1.2.3 -1 - a+"},
		{"add -- a1 225.1.2.3 -d", "a a1 225.1.2.3 -d"},
		{"rem a1 225.1.2.3", "r a1 225.1.2.3"},
		{"d a1 225.1.2.3 a2", "r a1 225.1.2.3 a2"},
		{"del a1 225.1.2.3", "r a1 225.1.2.3"},
		{"j a1 225.1.2.3", "j a1 225.1.2.3"},
		{"leave a1 10.0.0.1 225.1.2.3", "l a1 10.0.0.1 225.1.2.3"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			got := runWith(t, "", append([]string{"-u", d.socket}, strings.Fields(tt.args)...)...)
			if got.Code != 0 || got.Stderr != "" {
				t.Errorf("got %+v, want success", got)
			}
			if diff := cmp.Diff([]string{tt.want}, d.heard()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestShow: how a listing comes out.
func TestShow(t *testing.T) {
	d := startDaemon(t)
	wide := strings.Repeat("_", 79) + "\n"
	double := strings.Repeat("=", 79) + "\n"
	for _, tt := range []struct{ args, want string }{
		{"-p", wide + "Some Table\n" + double + "NAME  IIF\n" + double + "a     eth0\nb     eth1 \n\n"},
		{"-t", "a     eth0\nb     eth1 \n\n"},
		{"-pt", "a     eth0\nb     eth1 \n\n"},
		{"", "\x1b[4m" + strings.Repeat(" ", 79) + "\x1b[0m\nSome Table\n\x1b[7mNAME  IIF" + strings.Repeat(" ", 70) + "\x1b[0m\na     eth0\nb     eth1 \n\n"},
		{"-j", "{\"a_\":1}\n\n"},
		{"show pending", ""},
	} {
		t.Run(tt.args, func(t *testing.T) {
			got := runWith(t, "", append([]string{"-u", d.socket}, strings.Fields(tt.args)...)...)
			if diff := cmp.Diff(result{0, tt.want, ""}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	d := startDaemon(t)
	dir := t.TempDir()
	absent := filepath.Join(dir, "none.sock")
	for _, tt := range []struct {
		name string
		args []string
		want result
	}{
		{"daemon says no", []string{"-u", d.socket, "add", "bad", "225.1.2.3", "a2"}, result{1, "", "smcroutectl: no interface bad\n"}},
		{"unknown command", []string{"-u", d.socket, "bogus"}, result{1, "", "smcroutectl: Unknown command \"bogus\", try \"smcroutectl help\"\n"}},
		{"empty command", []string{"-u", d.socket, ""}, result{1, "", "smcroutectl: Unknown command \"\", try \"smcroutectl help\"\n"}},
		{"unknown option", []string{"-u", d.socket, "show", "-x"}, result{1, usage(), "smcroutectl: Unknown option -x\n"}},
		{"unknown option in a cluster", []string{"-dx"}, result{1, usage(), "smcroutectl: Unknown option -x\n"}},
		{"unknown long option", []string{"--bogus"}, result{1, usage(), "smcroutectl: Unknown option --bogus\n"}},
		{"option without its argument", []string{"show", "-i"}, result{1, usage(), "smcroutectl: Option -i needs an argument\n"}},
		{"too few arguments", []string{"-u", d.socket, "add", "a1", "225.1.2.3"}, result{1, must(findCommand("add")).help(), "smcroutectl: Not enough arguments to command add: found 2, expected 3 at least\n"}},
		{
			"too long", []string{"-u", d.socket, "add", "a1", "225.1.2.3", strings.Repeat("x", 1024)},
			result{1, "", "smcroutectl: Failed constructing IPC command: message too long: 1055 bytes, expected 1024 at most\n"},
		},
		{
			"no socket", []string{"-u", absent},
			result{1, "", "smcroutectl: Cannot find IPC socket " + absent + "\nsmcroutectl: Failed connecting to daemon: no such file or directory\n"},
		},
		{
			"impossible socket", []string{"-u", strings.Repeat("x", 108)},
			result{1, "", "smcroutectl: Failed connecting to daemon: socket path \"" + strings.Repeat("x", 108) + "\" of 108 bytes: expected 1 to 107: invalid argument\n"},
		},
		{
			"no socket of that identity", []string{"-i", "no-such-daemon", "flush"},
			result{1, "", "smcroutectl: Cannot find IPC socket " + install.SocketPath("no-such-daemon") + "\nsmcroutectl: Daemon may be running with another -i NAME\n"},
		},
		{
			"old spelling of identity", []string{"-I", "no-such-daemon", "flush"},
			result{1, "", "smcroutectl: Cannot find IPC socket " + install.SocketPath("no-such-daemon") + "\nsmcroutectl: Daemon may be running with another -i NAME\n"},
		},
		{"help about nothing", []string{"help", "bogus"}, result{1, "", "smcroutectl: Unknown command \"bogus\", try \"smcroutectl help\"\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, runWith(t, "", tt.args...)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	if h := d.heard(); len(h) != 1 || !strings.HasPrefix(h[0], "a bad") {
		t.Errorf("the daemon heard %q, want only the first", h)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestDaemonNotRunning(t *testing.T) {
	if testing.Short() {
		t.Skip("takes three seconds; run without -short")
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if diff := cmp.Diff(result{1, "", "smcroutectl: Daemon not running\n"}, runWith(t, "", "-u", path, "kill")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestDefect12ClosedWithoutReply: a daemon that closes silently has not done
// what it was told.
func TestDefect12ClosedWithoutReply(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = ipc.Decode(c)
			c.Close()
		}
	}()
	want := result{1, "", "smcroutectl: Failed talking to daemon: daemon closed the connection without an answer\n"}
	if diff := cmp.Diff(want, runWith(t, "", "-u", path, "flush")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestHelpAndVersion(t *testing.T) {
	version := "smcroutectl v" + install.Version + "\n\n" +
		"Bug report address: https://github.com/smcroute/kube-smcroute/issues\n" +
		"Project homepage:   https://github.com/smcroute/kube-smcroute\n"
	for _, tt := range []struct{ args, want string }{
		{"-h", usage()},
		{"show -h", usage()},
		{"--help", usage()},
		{"help", usage()},
		{"h", usage()},
		{"help add", must(findCommand("add")).help()},
		{"help rem", must(findCommand("remove")).help()},
		{"-v", version},
		{"version", version},
		{"v", version},
	} {
		t.Run(tt.args, func(t *testing.T) {
			if diff := cmp.Diff(result{0, tt.want, ""}, runWith(t, "", strings.Fields(tt.args)...)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	for i := range commands {
		if commands[i].text != "" && !strings.Contains(usage(), "  "+commands[i].name+" ") {
			t.Errorf("the usage does not list %s", commands[i].name)
		}
	}
}

func TestBatch(t *testing.T) {
	d := startDaemon(t)
	// 40 words and 600 bytes: SMCRoute cuts lines at 511 bytes and 9 words.
	long := "add a1 225.1.2.3 " + strings.Repeat("interface01234 ", 40)
	in := strings.Join([]string{
		"# comment",
		"",
		"   \t ",
		"flush",
		" \tjoin  a1\t225.1.2.3\r",
		"add bad 225.1.2.3 a2",
		"bogus",
		"add a1",
		"  # indented comment",
		long,
		"show groups",
		"help bogus",
		"leave a1 225.1.2.3", // no newline behind it
	}, "\n")
	got := runWith(t, in, "-b", "-t", "-u", d.socket)
	want := result{
		Code:   4,
		Stdout: "a     eth0\nb     eth1 \n\n",
		Stderr: "smcroutectl: line 6: no interface bad\n" +
			"smcroutectl: line 7: Unknown command \"bogus\", try \"smcroutectl help\"\n" +
			"smcroutectl: line 8: Not enough arguments to command add: found 1, expected 3 at least\n" +
			"smcroutectl: line 12: Unknown command \"bogus\", try \"smcroutectl help\"\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	heard := []string{"F", "j a1 225.1.2.3", "a bad 225.1.2.3 a2", "a" + strings.TrimSuffix(strings.TrimPrefix(long, "add"), " "), "s groups", "l a1 225.1.2.3"}
	if diff := cmp.Diff(heard, d.heard()); diff != "" {
		t.Errorf("requests (-want +got)\n%s", diff)
	}
}

func TestBatchSumsExitCodes(t *testing.T) {
	if got := runWith(t, strings.Repeat("bogus\n", 258), "-b"); got.Code != 258%256 {
		t.Errorf("exit %d, want %d", got.Code, 258%256)
	}
}

func TestBatchIgnoresWords(t *testing.T) {
	want := result{0, "", "smcroutectl: Option -b reads commands from standard input, ignoring \"show groups\"\n"}
	if diff := cmp.Diff(want, runWith(t, "", "-b", "show", "groups")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

type badReader struct{}

func (badReader) Read([]byte) (int, error) { return 0, os.ErrInvalid }

func TestBatchReadError(t *testing.T) {
	var stderr strings.Builder
	if code := run(t.Context(), []string{"-b"}, badReader{}, io.Discard, &stderr); code != 1 || !strings.Contains(stderr.String(), "Failed reading commands") {
		t.Errorf("exit %d, %q", code, stderr.String())
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteError(t *testing.T) {
	d := startDaemon(t)
	var stderr strings.Builder
	if code := run(t.Context(), []string{"-u", d.socket}, nil, fullDisk{}, &stderr); code != 1 || stderr.String() != "smcroutectl: Failed writing the listing: disk full\n" {
		t.Errorf("exit %d, %q", code, stderr.String())
	}
}

// Who asks about some flows has the daemon know, and leaves out what an older one tells
// nevertheless.
func TestAbout(t *testing.T) {
	d := startDaemon(t)
	for _, tt := range []struct{ args, asked, flows string }{
		{"state", "D", "232.1.1.1 ff0e::1"},
		{"state 232.1.1.1", "D * 232.1.1.1", "232.1.1.1"},
		{"state * ff00::/8", "D * ff00::/8", "ff0e::1"},
		{"state 10.9.9.9 232.1.1.1", "D 10.9.9.9 232.1.1.1", ""},
		{"flows -o json 10.0.0.0/8 232.0.0.0/8", "D 10.0.0.0/8 232.0.0.0/8", "232.1.1.1"},
	} {
		r := runWith(t, "", append([]string{"-u", d.socket}, strings.Fields(tt.args)...)...)
		var got struct {
			Flows []struct{ Group string }
		}
		if err := json.Unmarshal([]byte(r.Stdout), &got); err != nil || r.Code != 0 {
			t.Fatalf("%s: %v, %+v", tt.args, err, r)
		}
		var groups []string
		for _, f := range got.Flows {
			groups = append(groups, f.Group)
		}
		if asked, flows := strings.Join(d.heard(), "|"), strings.Join(groups, " "); asked != tt.asked || flows != tt.flows {
			t.Errorf("%s asks %q and prints %q, want %q and %q", tt.args, asked, flows, tt.asked, tt.flows)
		}
	}
}
