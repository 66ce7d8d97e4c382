package ipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"
)

// Layout is how a machine lays out the header of a request: it depends on the
// size and the byte order of a word (C's size_t).
type Layout struct {
	WordSize int // 4 or 8
	Order    interface {
		binary.ByteOrder
		binary.AppendByteOrder
	}
}

// Native is the layout of this machine, the one that its programs speak.
var Native = Layout{WordSize: bits.UintSize / 8, Order: binary.NativeEndian}

// FrameError is a request that is not well-formed.
type FrameError struct {
	Found, Expected string
}

// Error says what was found and what was expected.
func (e *FrameError) Error() string {
	return "malformed request: " + e.Found + ": expected " + e.Expected
}

// header is the length of the header: a word and two uint16, padded to words.
func (l Layout) header() int { return 2 * l.WordSize }

// Append appends r to dst. Errors are as for [Request.Encode].
func (l Layout) Append(dst []byte, r Request) ([]byte, error) {
	total := l.header() + 1
	for _, a := range r.Args {
		if strings.IndexByte(a, 0) >= 0 {
			return dst, fmt.Errorf("argument %q: expected text without NUL bytes", a)
		}
		total += len(a) + 1
	}
	if total > MaxRequest {
		return dst, fmt.Errorf("%w: %d bytes, expected %d at most", ErrTooLong, total, MaxRequest)
	}

	start := len(dst)
	if l.WordSize == 8 {
		dst = l.Order.AppendUint64(dst, uint64(total))
	} else {
		dst = l.Order.AppendUint32(dst, uint32(total))
	}
	dst = l.Order.AppendUint16(dst, uint16(r.Command))
	dst = l.Order.AppendUint16(dst, uint16(len(r.Args)))
	for len(dst)-start < l.header() {
		dst = append(dst, 0)
	}
	for _, a := range r.Args {
		dst = append(dst, a...)
		dst = append(dst, 0)
	}
	return append(dst, 0), nil
}

// Read reads one request. It returns io.EOF if there is none,
// io.ErrUnexpectedEOF if it is not complete, a *[FrameError], or the error of r.
func (l Layout) Read(r io.Reader) (Request, error) {
	var buf [MaxRequest]byte
	if _, err := io.ReadFull(r, buf[:l.header()]); err != nil {
		return Request{}, err
	}
	total := l.word(buf[:])
	if err := l.checkTotal(total); err != nil {
		return Request{}, err
	}
	if _, err := io.ReadFull(r, buf[l.header():total]); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Request{}, err
	}
	return l.Parse(buf[:total])
}

// Parse decodes a frame, which holds one request and nothing else. Its only
// error is a *[FrameError].
func (l Layout) Parse(frame []byte) (Request, error) {
	if len(frame) <= l.header() {
		return Request{}, &FrameError{
			fmt.Sprintf("%d bytes", len(frame)),
			fmt.Sprintf("a header of %d bytes and a NUL", l.header()),
		}
	}
	total := l.word(frame)
	if err := l.checkTotal(total); err != nil {
		return Request{}, err
	}
	if total != uint64(len(frame)) {
		return Request{}, &FrameError{fmt.Sprintf("length %d of a frame of %d bytes", total, len(frame)), "the same length"}
	}
	letter := l.Order.Uint16(frame[l.WordSize:])
	if letter > 0xff {
		return Request{}, &FrameError{fmt.Sprintf("command %d", letter), "a letter"}
	}
	count := int(l.Order.Uint16(frame[l.WordSize+2:]))

	body := frame[l.header():]
	if count >= len(body) {
		// Not even empty arguments would fit; count is not to be trusted with an allocation.
		return Request{}, &FrameError{fmt.Sprintf("%d arguments in %d bytes", count, len(body)), "as many strings as the header says"}
	}
	r := Request{Command: Command(letter)}
	if count > 0 {
		r.Args = make([]string, 0, count)
	}
	for range count {
		arg, rest, ok := bytes.Cut(body, []byte{0})
		if !ok {
			return Request{}, &FrameError{fmt.Sprintf("argument %d without a NUL behind it", len(r.Args)+1), "strings that end within the frame"}
		}
		r.Args = append(r.Args, string(arg))
		body = rest
	}
	if len(body) != 1 || body[0] != 0 {
		return Request{}, &FrameError{fmt.Sprintf("%q after the last of %d arguments", body, count), "a single NUL"}
	}
	return r, nil
}

// word reads the length, the first word of b.
func (l Layout) word(b []byte) uint64 {
	if l.WordSize == 8 {
		return l.Order.Uint64(b)
	}
	return uint64(l.Order.Uint32(b))
}

func (l Layout) checkTotal(total uint64) error {
	switch {
	case total > MaxRequest:
		return &FrameError{
			fmt.Sprintf("length %d", total),
			fmt.Sprintf("%d bytes at most, from a client of the same word size and byte order as the daemon", MaxRequest),
		}
	case total <= uint64(l.header()):
		return &FrameError{fmt.Sprintf("length %d", total), fmt.Sprintf("%d bytes at least", l.header()+1)}
	}
	return nil
}
