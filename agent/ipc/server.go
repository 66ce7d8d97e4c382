package ipc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"syscall"
	"time"
)

// Handler carries out requests. It is called from several goroutines, and
// must return soon after ctx is done.
type Handler interface {
	// Handle writes the listing that a show command asks for; what others write is
	// not sent. Of an error the client prints the first line. If a part of the listing
	// is on its way by then, the connection is closed instead, which the client takes
	// for the failure that it is. The error of out needs no mention.
	Handle(ctx context.Context, req Request, out io.Writer) error
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, req Request, out io.Writer) error

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, req Request, out io.Writer) error {
	return f(ctx, req, out)
}

// Options of a Server. What is zero gets the default.
type Options struct {
	Logger       *slog.Logger  // for malformed requests; default: none
	MaxClients   int           // connected at a time; default 64
	Patience     time.Duration // how long a quiet client keeps its place when all are taken; default 1 s
	IdleTimeout  time.Duration // for a first byte; default 30 s
	FrameTimeout time.Duration // for a request that has begun; default 5 s
	WriteTimeout time.Duration // for each 64 KiB of a reply; default 10 s
	Grace        time.Duration // for replies when the server ends; default 3 s
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	def(&o.Patience, time.Second)
	def(&o.IdleTimeout, 30*time.Second)
	def(&o.FrameTimeout, 5*time.Second)
	def(&o.WriteTimeout, 10*time.Second)
	def(&o.Grace, 3*time.Second)
	if o.MaxClients == 0 {
		o.MaxClients = 64
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Server is the daemon's end of the protocol. Each client has a goroutine of
// its own, so none waits for another.
type Server struct {
	opt    Options
	socket *socket
}

// Listen makes the socket at path, replacing one that a dead daemon left
// behind. Clients can connect from now on; they are answered once Serve runs.
// The error is [ErrInUse] if another daemon answers there.
func Listen(path string, opt Options) (*Server, error) {
	s, err := listen(path)
	if err != nil {
		return nil, err
	}
	return &Server{opt: opt.withDefaults(), socket: s}, nil
}

// Close closes the socket and removes its file if it is still this server's.
// It is for a server that Serve was not called on.
func (s *Server) Close() error { return s.socket.Close() }

// Serve answers clients until ctx is done: then it lets replies that are under
// way go out, closes the socket, and returns nil.
func (s *Server) Serve(ctx context.Context, h Handler) error {
	// Handlers end with Serve, whatever ends it.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		// Not Close: the file is to go first, and both at the end.
		_ = s.socket.SetDeadline(time.Unix(1, 0))
	})
	defer stop()

	c := newCrowd(s.opt.MaxClients, s.opt.Patience)
	err := s.accept(ctx, c, h)
	cancel()
	c.dismiss(s.opt.Grace)
	return errors.Join(err, s.socket.Close())
}

// accept takes in clients until ctx is done.
func (s *Server) accept(ctx context.Context, c *crowd, h Handler) error {
	for {
		conn, err := s.socket.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, syscall.ECONNABORTED):
			continue
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
			s.opt.Logger.Warn("Cannot accept a client", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		case err != nil:
			return err
		}
		if err := c.slot(ctx); err != nil {
			conn.Close()
			return nil
		}
		m := c.join(conn)
		go func() {
			defer c.leave(m)
			s.serve(ctx, c, m, h)
		}()
	}
}

// serve answers the requests of one client, until no more input is there.
func (s *Server) serve(ctx context.Context, c *crowd, m *member, h Handler) {
	r := bufio.NewReaderSize(m.conn, MaxRequest)
	for more := true; more; more = r.Buffered() > 0 || waiting(m.conn) {
		if ctx.Err() != nil || !c.note(m, awaited) {
			return
		}
		req, err := s.read(m.conn, r)
		var bad *FrameError
		switch {
		case errors.As(err, &bad):
			// The stream is out of step from here on: answer and close.
			s.opt.Logger.Warn("Client sent no request", "err", bad)
			_ = s.newReply(c, m).fail(bad)
			return
		case err != nil:
			return // gone, or silent for too long
		}
		c.note(m, handled)
		if s.handle(ctx, h, req, s.newReply(c, m)) != nil {
			return
		}
	}
}

// read reads a request: it may be long in coming, but not once it has begun.
func (s *Server) read(conn *net.UnixConn, r *bufio.Reader) (Request, error) {
	if err := conn.SetReadDeadline(time.Now().Add(s.opt.IdleTimeout)); err != nil {
		return Request{}, err
	}
	if _, err := r.Peek(1); err != nil {
		return Request{}, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(s.opt.FrameTimeout)); err != nil {
		return Request{}, err
	}
	return Decode(r)
}

// handle carries out req, and answers.
func (s *Server) handle(ctx context.Context, h Handler, req Request, r *reply) error {
	if !req.Command.Known() {
		return r.fail(fmt.Errorf("unknown command %v: this daemon is older than its client", req.Command))
	}
	out := io.Writer(r)
	if !req.Command.Shows() {
		out = io.Discard
	}
	if err := h.Handle(ctx, req, out); err != nil {
		return r.fail(err)
	}
	return r.end()
}

// waiting reports whether input has arrived at conn.
func waiting(conn *net.UnixConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, _ = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return err == nil && n > 0
}
