// Package wire is the protocol between smcroute-keeper(8), its programs, and
// keepers that mirror it: messages on a unix socket that keeps their boundaries
// (SOCK_SEQPACKET), each one JSON object, with descriptors beside it.
//
// Both ends ask, and answer each request with [Done]. Neither has more than one
// request open at a time. The one that connects begins with [Hello].
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Version is the protocol's, and Oldest the oldest that is still understood. A
// request that only one end knows is answered with an error and does no harm, and
// fields that only one end knows are ignored, so few changes need a new version.
const (
	Version = 1
	Oldest  = 1
)

// Limits of a message.
const (
	MaxMessage = 64 << 10 // bytes
	MaxNames   = 64       // names, and so descriptors: the kernel's limit is 253
)

// Op is what a message is.
type Op string

// The requests, and the answer.
const (
	Hello   Op = "hello"   // the first: who connects, and in which version
	Change  Op = "change"  // hold these, drop those
	Synced  Op = "synced"  // of the keeper: all that it held at the start is told
	Succeed Op = "succeed" // to a mirror: the keeper ends, its successor please
	Stop    Op = "stop"    // to a keeper: empty what you hold, and end
	Done    Op = "done"    // the answer, with what went wrong
)

// Role is whom a connection is for.
type Role string

// The roles.
const (
	Program  Role = "program"  // has things held
	Mirror   Role = "mirror"   // a keeper that stands by
	Operator Role = "operator" // a person or a script
)

// Message is what the ends tell each other.
type Message struct {
	Op Op `json:"op"`

	// Of Hello, and of the answer to it: the version that both speak.
	Version int  `json:"version,omitempty"`
	Oldest  int  `json:"oldest,omitempty"`
	Role    Role `json:"role,omitempty"`

	// Of Change. A descriptor comes with each of Put, in that order.
	Put  []Item   `json:"put,omitempty"`
	Drop []string `json:"drop,omitempty"`

	// Of Stop: even if programs are connected.
	Force bool `json:"force,omitempty"`

	// Of Done: a sentence, or nothing.
	Error string `json:"error,omitempty"`
}

// Item is something to hold.
type Item struct {
	Name  string `json:"name"`
	Flush bool   `json:"flush,omitempty"` // see keep.Store
}

// Err is the error of an answer.
func (m *Message) Err() error {
	if m.Error == "" {
		return nil
	}
	return errors.New(m.Error)
}

// Answer is the answer to a request that came to err.
func Answer(err error) Message {
	m := Message{Op: Done}
	if err != nil {
		m.Error = err.Error()
	}
	return m
}

// Agree returns the version to speak with the other end, which said hello.
func Agree(hello Message) (int, error) {
	if hello.Op != Hello {
		return 0, fmt.Errorf("the first message is %q: expected %q", hello.Op, Hello)
	}
	version := min(Version, hello.Version)
	if version < Oldest || version < hello.Oldest {
		return 0, fmt.Errorf("it speaks the versions %d to %d of the protocol, and this keeper %d to %d", hello.Oldest, hello.Version, Oldest, Version)
	}
	return version, nil
}

// Encode is the opposite of Decode.
func Encode(m Message) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // which makes six bytes of one
	if err := e.Encode(m); err != nil {
		return nil, err
	}
	if b.Len() > MaxMessage {
		return nil, fmt.Errorf("a message of %d bytes: expected %d at most", b.Len(), MaxMessage)
	}
	return b.Bytes(), nil
}

// Decode reads a message, from whomever.
func Decode(b []byte) (Message, error) {
	var m Message
	if len(b) > MaxMessage {
		return m, fmt.Errorf("a message of %d bytes or more: expected %d at most", len(b), MaxMessage)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return Message{}, fmt.Errorf("not a message: %w", err)
	}
	if err := m.check(); err != nil {
		return Message{}, err
	}
	return m, nil
}

func (m *Message) check() error {
	if m.Op == "" {
		return errors.New("not a message: it does not say what it is")
	}
	if n := len(m.Put) + len(m.Drop); n > MaxNames {
		return fmt.Errorf("a message with %d names: expected %d at most", n, MaxNames)
	}
	for _, i := range m.Put {
		if err := CheckName(i.Name); err != nil {
			return err
		}
	}
	for _, name := range m.Drop {
		if err := CheckName(name); err != nil {
			return err
		}
	}
	return nil
}
