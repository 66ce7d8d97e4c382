package interop

import (
	"bytes"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/test/interop/program"
)

// TestProtocol writes bytes to the daemons' sockets. They must answer alike,
// but where ours has a reason that is given.
func TestProtocol(t *testing.T) {
	ours, debian := both(t)
	frame := func(c ipc.Command, args ...string) []byte {
		b, err := ipc.Request{Command: c, Args: args}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	words := func(n int) (w []string) {
		for range n {
			w = append(w, "eth1")
		}
		return w
	}
	show := "(192.0.2.1, 225.0.0.9)                     eth0  eth1\n"
	for _, c := range []struct {
		name         string
		send         []byte
		debian, ours []string // what the reply holds up to each NUL must contain
		why          string
	}{
		{name: "one", send: frame(ipc.Add, "eth0", "192.0.2.1", "225.1.1.1", "eth1"), debian: []string{""}},
		{name: "show", send: frame(ipc.Show), debian: []string{show}},
		{name: "show groups", send: frame(ipc.Show, "groups"), debian: []string{"(*, 225.0.0.9)                             eth1\n"}},
		{name: "show detail", send: frame(ipc.ShowDetail, "g"), debian: []string{"Kernel Group Membership Table_\n"}},
		{name: "several requests in one write", send: bytes.Join([][]byte{
			frame(ipc.Add, "eth0", "192.0.2.1", "225.1.1.1", "eth1"),
			frame(ipc.Show),
			frame(ipc.Remove, "eth0", "192.0.2.1", "225.1.1.1"),
			frame(ipc.Show, "groups"),
		}, nil), debian: []string{"", "(192.0.2.1, 225.1.1.1)", "", "(*, 225.0.0.9)"}},
		{name: "a refusal between others", send: bytes.Join([][]byte{
			frame(ipc.Join, "eth0", "225.1.1.1"),
			frame(ipc.Remove, "eth0", "192.0.2.1", "225.99.1.1"),
			frame(ipc.Leave, "eth0", "225.1.1.1"),
		}, nil), debian: []string{"", "route", ""}},
		{name: "unknown letter", send: frame('x'), debian: []string{"'x'"}},
		{name: "35 words", send: frame(ipc.Add, append([]string{"eth0", "192.0.2.1", "225.1.1.1"}, words(30)...)...), debian: []string{""}},
		{name: "many words", send: frame(ipc.Remove, append([]string{"eth0", "192.0.2.1", "225.1.1.1"}, words(60)...)...),
			debian: nil, ours: []string{"no such"}, why: "SMCRoute closes the connection, which its client takes for success (spec 7)"},
		{name: "length beyond the limit", send: []byte{0xff, 0xff, 0, 0, 0, 0, 0, 0, 'F', 0, 0, 0, 0, 0, 0, 0, 0},
			debian: nil, ours: []string{"malformed request"}, why: "as above"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.why == "" {
				c.ours = c.debian
			}
			for _, p := range []struct {
				program.Programs
				want []string
			}{{debian, c.debian}, {ours, c.ours}} {
				l := newLab(t)
				l.start(p.Programs, commandsConf)
				got := l.talk(c.send)
				ok := len(got) == len(p.want)
				for i := range min(len(got), len(p.want)) {
					ok = ok && bytes.Contains(got[i], []byte(p.want[i])) && (len(got[i]) == 0) == (p.want[i] == "")
				}
				if !ok {
					t.Errorf("%s smcrouted answered %q, want %q", p.Name, got, p.want)
				}
			}
		})
	}
}

// talk writes to the daemon's socket and returns its replies, until it closes
// the connection. What comes after the last NUL is a reply too.
func (l *lab) talk(request []byte) [][]byte {
	l.t.Helper()
	conn, err := net.Dial("unix", filepath.Join(l.dir, program.Socket))
	if err != nil {
		l.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		l.t.Fatal(err)
	}
	if _, err := conn.Write(request); err != nil {
		l.t.Fatal(err)
	}
	said, err := io.ReadAll(conn)
	if err != nil {
		l.t.Fatalf("after %q: %v", said, err)
	}
	replies := bytes.Split(said, []byte{0})
	if last := len(replies) - 1; len(replies[last]) == 0 {
		replies = replies[:last]
	}
	return replies
}

// TestJSON asks each daemon for JSON: Debian's has none, and our client says so.
func TestJSON(t *testing.T) {
	ours, debian := both(t)
	for _, c := range []struct {
		p    program.Programs
		want program.Result
	}{
		{debian, program.Result{Stderr: "smcroutectl: Unknown or malformed IPC message 'J' from client.\n", Code: 1}},
		{ours, program.Result{Stdout: `{"groups":{"conf":[{"source":null,"group":"225.0.0.9","iif":"eth1"}],"kernel":[{"source":null,"group":"225.0.0.9","iif":"eth1"}]}}` + "\n\n"}},
	} {
		l := newLab(t)
		l.start(c.p, commandsConf)
		if got := l.control(ours, "", "-j", "show", "groups"); got != c.want {
			t.Errorf("%s smcrouted: got %+v, want %+v", c.p.Name, got, c.want)
		}
	}
}
