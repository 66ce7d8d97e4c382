package ipc

import (
	"bytes"
	"time"
)

// replyChunk is how much of a reply is gathered before it is sent, in bytes.
const replyChunk = 64 << 10

// reply is a reply on its way: text, and a NUL. A client that is slow to read has time as
// long as it does read.
type reply struct {
	crowd   *crowd
	member  *member
	timeout time.Duration // for each chunk
	text    []byte        // gathered
	begun   bool          // a part is sent
	err     error
}

func (s *Server) newReply(c *crowd, m *member) *reply {
	return &reply{crowd: c, member: m, timeout: s.opt.WriteTimeout}
}

// Write implements [io.Writer]. It sends p some at a time.
func (r *reply) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && r.err == nil {
		some := p[:min(len(p), replyChunk-len(r.text))]
		p = p[len(some):]
		at := len(r.text)
		r.text = append(r.text, some...)
		withoutNUL(r.text[at:])
		if len(r.text) == replyChunk {
			r.send()
		}
	}
	return n, r.err
}

// WriteString implements [io.StringWriter], so that a long text is not copied.
func (r *reply) WriteString(s string) (int, error) {
	n := len(s)
	for len(s) > 0 && r.err == nil {
		some := s[:min(len(s), replyChunk)]
		s = s[len(some):]
		_, _ = r.Write([]byte(some))
	}
	return n, r.err
}

// send sends what was gathered.
func (r *reply) send() {
	r.begun = true
	r.crowd.note(r.member, written)
	if r.err = r.member.conn.SetWriteDeadline(time.Now().Add(r.timeout)); r.err == nil {
		_, r.err = r.member.conn.Write(r.text)
	}
	r.crowd.note(r.member, handled)
	r.text = r.text[:0]
}

// end ends a reply.
func (r *reply) end() error {
	if r.err == nil {
		r.text = append(r.text, 0)
		r.send()
	}
	return r.err
}

// fail ends it with the text for an error, if nothing was sent; else it returns the
// error. The text is never empty: that would be success.
func (r *reply) fail(err error) error {
	if r.begun {
		return err
	}
	text := bytes.TrimSpace(withoutNUL([]byte(err.Error())))
	if len(text) == 0 {
		text = []byte("the daemon gives no reason")
	}
	r.text = append(r.text[:0], text...)
	return r.end()
}

// withoutNUL replaces what would end the reply early.
func withoutNUL(text []byte) []byte {
	for {
		i := bytes.IndexByte(text, 0)
		if i < 0 {
			return text
		}
		text[i] = '?'
	}
}
