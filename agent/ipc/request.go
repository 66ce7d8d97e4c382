package ipc

import (
	"errors"
	"io"
)

// MaxRequest is the greatest length of a request in bytes, header included.
const MaxRequest = 1024

// Request is a command and its arguments.
type Request struct {
	Command Command
	Args    []string
}

// ErrTooLong says that a request does not fit into [MaxRequest] bytes.
var ErrTooLong = errors.New("message too long")

// Encode returns the request in the layout of this machine. Errors are
// [ErrTooLong], and one for an argument with a NUL in it.
func (r Request) Encode() ([]byte, error) { return Native.Append(nil, r) }

// AppendTo appends what Encode returns to dst, which it returns unchanged with
// an error.
func (r Request) AppendTo(dst []byte) ([]byte, error) { return Native.Append(dst, r) }

// Decode reads one request in the layout of this machine. It returns io.EOF if
// there is none, and a *[FrameError] for one that no client would send.
func Decode(r io.Reader) (Request, error) { return Native.Read(r) }
