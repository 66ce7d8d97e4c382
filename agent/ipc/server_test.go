package ipc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// deadline is for things that take no time when all is well.
const deadline = 20 * time.Second

// start runs a server until the test ends, and returns its socket's path.
func start(t *testing.T, opt Options, f func(context.Context, Request) (string, error)) string {
	t.Helper()
	return serve(t, opt, says(f))
}

// serve is start with any handler.
func serve(t *testing.T, opt Options, h Handler) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	s, err := Listen(path, opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return path
}

// says has the text of f's answer be the listing.
func says(f func(context.Context, Request) (string, error)) Handler {
	return HandlerFunc(func(ctx context.Context, req Request, out io.Writer) error {
		text, err := f(ctx, req)
		_, _ = io.WriteString(out, text)
		return err
	})
}

// echo answers with the request, or as the first argument says.
func echo(_ context.Context, req Request) (string, error) {
	if len(req.Args) > 0 {
		switch req.Args[0] {
		case "empty":
			return "", nil
		case "fail":
			return "", errors.New(strings.Join(req.Args[1:], " "))
		case "huge":
			return strings.Repeat("0123456789abcde\n", 1<<20/16*6), nil
		}
	}
	return fmt.Sprintf("%v %q\n", req.Command, req.Args), nil
}

func dial(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	return c
}

func frames(t *testing.T, reqs ...Request) []byte {
	t.Helper()
	var b []byte
	for _, r := range reqs {
		var err error
		if b, err = r.AppendTo(b); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// exchange sends raw bytes and returns everything that comes back, up to the
// end: as SMCRoute's client, it counts on the daemon to close.
func exchange(t *testing.T, path string, sent []byte) string {
	t.Helper()
	c := dial(t, path)
	if _, err := c.Write(sent); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil && !gone(err) {
		t.Fatal(err)
	}
	return string(got)
}

func TestReplies(t *testing.T) {
	path := start(t, Options{}, echo)
	for _, tt := range []struct {
		name string
		reqs []Request
		want string
	}{
		{"success is a NUL", []Request{{Flush, nil}}, "\x00"},
		{"text of a command that lists nothing is not sent", []Request{{Add, []string{"x"}}}, "\x00"},
		{"listing", []Request{{Show, []string{"groups"}}}, "show [\"groups\"]\n\x00"},
		{"listing in detail", []Request{{ShowDetail, nil}}, "show in detail []\n\x00"},
		{"JSON", []Request{{ShowJSON, nil}}, "show as JSON []\n\x00"},
		{"empty listing", []Request{{Show, []string{"empty"}}}, "\x00"},
		{"failure", []Request{{Join, []string{"fail", "no such group\nmore"}}}, "no such group\nmore\x00"},
		{"failure of a listing", []Request{{Show, []string{"fail", "ending"}}}, "ending\x00"},
		{"a failure has a text", []Request{{Join, []string{"fail"}}}, "the daemon gives no reason\x00"},
		{"a failure's first line is not empty", []Request{{Join, []string{"fail", "\n\nbad"}}}, "bad\x00"},
		{"unknown letter", []Request{{'q', nil}}, "unknown command 'q': this daemon is older than its client\x00"},
		{
			"several on a connection",
			[]Request{{Flush, nil}, {Show, nil}, {'q', nil}, {Leave, []string{"fail", "no"}}, {Show, []string{"i"}}},
			"\x00show []\n\x00unknown command 'q': this daemon is older than its client\x00no\x00show [\"i\"]\n\x00",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, exchange(t, path, frames(t, tt.reqs...))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestNULInTextIsReplaced(t *testing.T) {
	path := start(t, Options{}, func(_ context.Context, req Request) (string, error) {
		if req.Command == Show {
			return "a\x00b\n", nil
		}
		return "", errors.New("c\x00d")
	})
	if got := exchange(t, path, frames(t, Request{Show, nil}, Request{Flush, nil})); got != "a?b\n\x00c?d\x00" {
		t.Errorf("got %q", got)
	}
}

// TestManyRequestsInOneStream: far more input than one read takes.
func TestManyRequestsInOneStream(t *testing.T) {
	path := start(t, Options{}, echo)
	const n = 5000
	var reqs []Request
	for i := range n {
		reqs = append(reqs, Request{Show, []string{fmt.Sprint(i)}})
	}
	c := dial(t, path)
	go func() { _, _ = c.Write(frames(t, reqs...)) }()
	r := bytes.NewBuffer(nil)
	for i := 0; i < n; {
		var b [4096]byte
		k, err := c.Read(b[:])
		if err != nil {
			t.Fatalf("after %d replies: %v", i, err)
		}
		r.Write(b[:k])
		for {
			line, rest, ok := bytes.Cut(r.Bytes(), []byte{0})
			if !ok {
				break
			}
			if want := fmt.Sprintf("show [\"%d\"]\n", i); string(line) != want {
				t.Fatalf("reply %d is %q", i, line)
			}
			i++
			r.Next(r.Len() - len(rest))
		}
	}
}

// TestDefect12MalformedRequestsAreAnswered: SMCRoute closes without a reply,
// which its client takes for success.
func TestDefect12MalformedRequestsAreAnswered(t *testing.T) {
	path := start(t, Options{}, echo)
	good := frames(t, Request{Show, nil})
	withLength := func(n uint32) []byte {
		b := bytes.Clone(good)
		if Native.WordSize == 8 {
			Native.Order.PutUint64(b, uint64(n))
		} else {
			Native.Order.PutUint32(b, n)
		}
		return b
	}
	for name, bad := range map[string][]byte{"long": withLength(0xffffff), "short": withLength(3), "garbage": []byte(strings.Repeat("GET / HTTP/1.1\r\n", 100))} {
		t.Run(name, func(t *testing.T) {
			got := exchange(t, path, append(bytes.Clone(good), bad...))
			rest, ok := strings.CutPrefix(got, "show []\n\x00malformed request: length ")
			if !ok || !strings.HasSuffix(rest, "\x00") {
				t.Errorf("got %q", got)
			}
		})
	}
	if got := exchange(t, path, good); got != "show []\n\x00" {
		t.Errorf("afterwards: %q", got)
	}
}

// TestDefect11SilentClientsDoNotBlock: all places are taken by clients that
// keep the daemon waiting in one way or another, and one more wants in.
func TestDefect11SilentClientsDoNotBlock(t *testing.T) {
	huge := frames(t, Request{Show, []string{"huge"}})
	for name, sent := range map[string][]byte{
		"say nothing":            nil,
		"begin and do not end":   huge[:7],
		"do not read the reply":  huge,
		"ask more than they get": bytes.Repeat(huge, 100),
	} {
		t.Run(name, func(t *testing.T) {
			path := start(t, Options{MaxClients: 3, Patience: 20 * time.Millisecond}, echo)
			for range 9 {
				if _, err := dial(t, path).Write(sent); err != nil && !gone(err) {
					t.Fatal(err)
				}
			}
			for range 3 {
				if got := exchange(t, path, frames(t, Request{Show, nil})); got != "show []\n\x00" {
					t.Errorf("got %q", got)
				}
			}
		})
	}
}

// TestBusyClientsKeepTheirPlaces: one whose request is being handled is not
// dropped for another.
func TestBusyClientsKeepTheirPlaces(t *testing.T) {
	entered := make(chan bool, 2)
	release := make(chan bool)
	path := start(t, Options{MaxClients: 1, Patience: time.Millisecond}, func(_ context.Context, req Request) (string, error) {
		entered <- true
		<-release
		return "done\n", nil
	})
	var got [2]string
	var wg sync.WaitGroup
	wg.Go(func() { got[0] = exchange(t, path, frames(t, Request{Show, nil})) })
	<-entered
	wg.Go(func() { got[1] = exchange(t, path, frames(t, Request{Show, nil})) })
	time.AfterFunc(50*time.Millisecond, func() { close(release) }) // many times the patience
	wg.Wait()
	if got != [2]string{"done\n\x00", "done\n\x00"} {
		t.Errorf("got %q", got)
	}
}

func TestTimeouts(t *testing.T) {
	path := start(t, Options{IdleTimeout: 30 * time.Millisecond, FrameTimeout: 30 * time.Millisecond, WriteTimeout: 30 * time.Millisecond}, echo)
	t.Run("silent", func(t *testing.T) {
		if got, err := io.ReadAll(dial(t, path)); len(got) > 0 || err != nil {
			t.Errorf("got %q, error %v; want the end", got, err)
		}
	})
	t.Run("within a request", func(t *testing.T) {
		c := dial(t, path)
		if _, err := c.Write(frames(t, Request{Show, nil})[:9]); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); len(got) > 0 || err != nil && !gone(err) {
			t.Errorf("got %q, error %v; want the end", got, err)
		}
	})
}

// TestSlowReaderGetsAll: a huge reply arrives whole, however it is read.
func TestSlowReaderGetsAll(t *testing.T) {
	path := start(t, Options{}, echo)
	want, err := echo(t.Context(), Request{Show, []string{"huge"}})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, path)
	if _, err := c.Write(frames(t, Request{Show, []string{"huge"}}, Request{Flush, nil})); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	buf := make([]byte, 777)
	for {
		n, err := c.Read(buf)
		got.Write(buf[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got.String() != want+"\x00\x00" {
		t.Errorf("got %d bytes, want %d and two NULs", got.Len(), len(want))
	}
}

// TestCrowdIsServed: many more clients at once than places, each patient.
func TestCrowdIsServed(t *testing.T) {
	path := start(t, Options{MaxClients: 4}, echo)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			arg := fmt.Sprint(i)
			c, err := Dial(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			var out strings.Builder
			if err := c.Do(t.Context(), Request{Show, []string{arg}}, &out); err != nil || out.String() != fmt.Sprintf("show [%q]\n", arg) {
				t.Errorf("client %d: got %q, error %v", i, out.String(), err)
			}
		})
	}
	wg.Wait()
}

// TestKillIsAnswered: the request that ends the server gets its reply, and
// another client that says nothing does not hold up the end.
func TestKillIsAnswered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s, err := Listen(path, Options{Grace: deadline})
	if err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- s.Serve(ctx, says(func(ctx context.Context, req Request) (string, error) {
			kill()
			<-ctx.Done()
			return "", nil
		}))
	}()
	silent := dial(t, path)
	if got := exchange(t, path, frames(t, Request{Kill, nil}, Request{Flush, nil})); got != "\x00" {
		t.Errorf("got %q, want the reply to the first request alone", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(silent); len(got) > 0 || err != nil && !gone(err) {
		t.Errorf("silent client got %q, error %v; want the end", got, err)
	}
	if _, err := net.Dial("unix", path); err == nil {
		t.Error("the socket is still there")
	}
}

// TestStuckReaderDoesNotHoldUpTheEnd: a reply that nobody reads is cut short
// after the grace.
func TestStuckReaderDoesNotHoldUpTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s, err := Listen(path, Options{Grace: 20 * time.Millisecond, WriteTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, says(echo)) }()
	c := dial(t, path)
	if _, err := c.Write(frames(t, Request{Show, []string{"huge"}})); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(deadline):
		t.Fatal("Serve still waits for the client")
	}
}

// A listing is sent as it comes. What goes wrong before anything is sent is told; after
// that the client hears that there is no more to come.
func TestStream(t *testing.T) {
	const line = "0123456789abcde\n"
	parts := make(chan string)
	trouble := errors.New("it is over")
	path := serve(t, Options{}, HandlerFunc(func(_ context.Context, _ Request, out io.Writer) error {
		for part := range parts {
			switch part {
			case "fail":
				return trouble
			case "end":
				return nil
			}
			if _, err := io.WriteString(out, part); err != nil {
				return err
			}
		}
		return nil
	}))
	client := func() (read func(p []byte) error, done chan error) {
		c, err := Dial(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		r, w := io.Pipe()
		done = make(chan error, 1)
		go func() {
			err := c.Do(t.Context(), Request{Command: State}, w)
			_ = w.Close()
			done <- err
		}()
		return func(p []byte) error { _, err := io.ReadFull(r, p); return err }, done
	}

	read, done := client()
	const long = 3 * replyChunk
	parts <- "{" + strings.Repeat(line, long/len(line))
	if err := read(make([]byte, long)); err != nil { // though there is no end yet
		t.Error(err)
	}
	parts <- "\x00}"
	parts <- "end"
	rest := make([]byte, 3)
	if err := read(rest); err != nil || string(rest) != "\n?}" {
		t.Errorf("the rest is %q, %v", rest, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}

	_, done = client()
	parts <- "{ not much"
	parts <- "fail"
	var refusal *Refusal
	if err := <-done; !errors.As(err, &refusal) || refusal.Text != trouble.Error() {
		t.Errorf("it failed before anything was sent: %v", err)
	}

	read, done = client()
	parts <- "{" + strings.Repeat(line, long/len(line))
	parts <- "fail"
	if err := read(make([]byte, long)); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, ErrNoReply) {
		t.Errorf("it failed in the middle: %v, want %v", err, ErrNoReply)
	}
}
