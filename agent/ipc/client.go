package ipc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// Errors of [Dial] for errors.Is, besides those of the system: fs.ErrNotExist
// if there is no socket, fs.ErrPermission without write permission on it.
var (
	ErrNotRunning = errors.New("daemon not running")           // nobody listens at the socket
	ErrBusy       = errors.New("daemon accepts no connection") // its queue stays full
)

// ErrNoReply says that the daemon closed the connection without an answer, or
// in the midst of it. SMCRoute's does so with a request that it cannot parse.
var ErrNoReply = errors.New("daemon closed the connection without an answer")

// Refusal is the daemon's answer to a command that failed.
type Refusal struct{ Text string }

// Error returns the first line of the text, which is what clients print.
func (r *Refusal) Error() string {
	line, _, _ := strings.Cut(r.Text, "\n")
	return line
}

// Attempts to connect to a socket that nobody listens at: a daemon may be
// about to start.
const (
	dialAttempts = 30
	dialInterval = 100 * time.Millisecond
)

// Client is the client's end of one connection.
type Client struct {
	conn *net.UnixConn
	r    *bufio.Reader
}

// Dial connects to the daemon behind the socket at path. If nobody listens
// there it tries again for three seconds.
func Dial(ctx context.Context, path string) (*Client, error) {
	addr, err := address(path)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	for attempt := 1; ; attempt++ {
		conn, err := d.DialContext(ctx, "unix", addr.Name)
		if err == nil {
			return &Client{conn: conn.(*net.UnixConn), r: bufio.NewReaderSize(conn, 64<<10)}, nil
		}
		var again error
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			again = ErrNotRunning
		case errors.Is(err, syscall.EAGAIN):
			again = ErrBusy
		default:
			return nil, err
		}
		if attempt == dialAttempts {
			return nil, again
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w (%w)", again, ctx.Err())
		case <-time.After(dialInterval):
		}
	}
}

// Close closes the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Do sends req and reads the reply. The listing of a show command goes to out
// as it comes. Errors are a *[Refusal], [ErrNoReply], those of [Request.Encode],
// of the connection and of out.
//
// A daemon closes the connection when it has answered all requests that have
// come; so after the first Do another one is likely to give ErrNoReply.
func (c *Client) Do(ctx context.Context, req Request, out io.Writer) error {
	frame, err := req.Encode()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.conn.Write(frame); err != nil && !gone(err) {
		return err
	}
	if c.isListing(req.Command) {
		return c.reply(out)
	}
	var text refusalText
	switch err := c.reply(&text); {
	case len(text) > 0:
		return &Refusal{Text: string(text)}
	default:
		return err
	}
}

// isListing reports whether the reply to cmd is what it asked for, or at least
// cannot be told from that. A daemon that has no JSON answers with a sentence.
func (c *Client) isListing(cmd Command) bool {
	if cmd.showsJSON() {
		first, err := c.r.Peek(1)
		return err != nil || first[0] == '{' || first[0] == 0
	}
	return cmd.Shows()
}

// reply copies the reply to out, up to the NUL.
func (c *Client) reply(out io.Writer) error {
	for {
		part, err := c.r.ReadSlice(0)
		if text := bytes.TrimSuffix(part, []byte{0}); len(text) > 0 {
			if _, err := out.Write(text); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
		case gone(err):
			return ErrNoReply
		default:
			return err
		}
	}
}

// gone reports whether err means that the other end closed the connection.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// refusalText collects the reason for a failure, but not without end.
type refusalText []byte

func (t *refusalText) Write(p []byte) (int, error) {
	const limit = 64 << 10
	*t = append(*t, p[:min(len(p), limit-len(*t))]...)
	return len(p), nil
}
