package shelf

import (
	"errors"
	"fmt"
	"time"

	"github.com/smcroute/kube-smcroute/agent/keep/wire"
)

// again is after how long an end that had no room for something is asked again.
const again = time.Second

// ErrNoAnswer says that the other end said nothing in time.
var ErrNoAnswer = errors.New("no answer in time")

var errEnded = errors.New("the connection has ended")

// Link makes a shelf and one elsewhere alike, and keeps them so.
type Link struct {
	shelf  *Shelf
	conn   *wire.Conn
	handle func(wire.Op) error

	asking  chan struct{} // taken by who waits for an answer
	answers chan wire.Message
	wake    chan struct{} // for the sender
	done    chan struct{} // closed when the connection has ended
	ready   chan struct{} // closed when synced

	// With shelf.mu:
	giver   bool                // begins with all that the shelf has
	lead    bool                // what the shelf has counts, not what the other has
	synced  bool                // both are alike, but for what is below
	dirty   map[string]struct{} // the other is to be told
	flight  map[string]struct{} // it is being told
	refused map[string]error    // it could not
	seen    map[string]struct{} // until synced: what the other has
	changed chan struct{}       // closed when something of this got better
}

// Give returns a link to one that is told all that the shelf holds, and may have
// things held here. handle, which may be nil, answers its other requests. Run
// must be called.
func (s *Shelf) Give(c *wire.Conn, handle func(wire.Op) error) *Link {
	l := newLink(s, c, handle)
	l.giver = true
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.items {
		l.dirty[name] = struct{}{}
	}
	l.register()
	return l
}

// Follow returns a link to a giver. The shelf becomes as the giver's, or if Put
// or Drop were called on it before, the giver's as this one. Run must be called.
func (s *Shelf) Follow(c *wire.Conn, handle func(wire.Op) error) *Link {
	l := newLink(s, c, handle)
	l.seen = map[string]struct{}{}
	s.mu.Lock()
	defer s.mu.Unlock()
	l.lead = s.written
	l.register()
	return l
}

func newLink(s *Shelf, c *wire.Conn, handle func(wire.Op) error) *Link {
	return &Link{
		shelf: s, conn: c, handle: handle,
		asking:  make(chan struct{}, 1),
		answers: make(chan wire.Message, 1),
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
		ready:   make(chan struct{}),
		dirty:   map[string]struct{}{},
		flight:  map[string]struct{}{},
		refused: map[string]error{},
		changed: make(chan struct{}),
	}
}

func (l *Link) register() {
	if l.shelf.links == nil {
		l.shelf.links = map[*Link]struct{}{}
	}
	l.shelf.links[l] = struct{}{}
}

// Run keeps both alike until the connection ends, and says why it did.
func (l *Link) Run() error {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		l.send()
	}()
	err := l.receive()
	close(l.done)
	_ = l.conn.Close()
	l.shelf.mu.Lock()
	delete(l.shelf.links, l)
	l.shelf.mu.Unlock()
	<-sent
	return err
}

// Close has Run end.
func (l *Link) Close() { _ = l.conn.Close() }

// Done is closed when Run is about to return.
func (l *Link) Done() <-chan struct{} { return l.done }

// Ready is closed when the follower has got all that the giver had at the start.
func (l *Link) Ready() <-chan struct{} { return l.ready }

// Alike reports whether both hold the same at this moment.
func (l *Link) Alike() bool {
	l.shelf.mu.Lock()
	defer l.shelf.mu.Unlock()
	return l.alike()
}

// Has reports whether the other end holds, as this one does, whatever has a name
// for which which is true.
func (l *Link) Has(which func(name string) bool) bool {
	l.shelf.mu.Lock()
	defer l.shelf.mu.Unlock()
	if !l.synced || l.over() {
		return false
	}
	for name := range l.shelf.items {
		_, dirty := l.dirty[name]
		_, flying := l.flight[name]
		_, refused := l.refused[name]
		if (dirty || flying || refused) && which(name) {
			return false
		}
	}
	return true
}

func (l *Link) alike() bool {
	return l.synced && len(l.dirty)+len(l.flight)+len(l.refused) == 0 && !l.over()
}

func (l *Link) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// Await returns when the other end has what this one has under a name, or why it
// has not. When the connection has ended nobody knows.
func (l *Link) Await(name string, within time.Duration) error {
	return l.await(within, func() (bool, error) {
		if _, told := l.shelf.links[l]; !told { // of changes, which are not marked either
			return false, errEnded
		}
		_, dirty := l.dirty[name]
		_, flying := l.flight[name]
		return !dirty && !flying, l.refused[name]
	})
}

// AwaitAlike returns when both hold the same.
func (l *Link) AwaitAlike(within time.Duration) error {
	return l.await(within, func() (bool, error) { return l.alike(), nil })
}

// await returns when cond is true or fails. It is called with shelf.mu.
func (l *Link) await(within time.Duration, cond func() (bool, error)) error {
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	for {
		l.shelf.mu.Lock()
		ok, err := cond()
		changed := l.changed
		l.shelf.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-l.done:
			return errEnded
		case <-timeout.C:
			return ErrNoAnswer
		}
	}
}

// Ask has the other end do something, and ends the connection if it does not
// answer in time.
func (l *Link) Ask(op wire.Op, within time.Duration) error {
	answer, err := l.ask(wire.Message{Op: op}, nil, time.After(within))
	if err != nil {
		return err
	}
	return answer.Err()
}

// ask sends a request when it is its turn.
func (l *Link) ask(m wire.Message, fds []int, timeout <-chan time.Time) (wire.Message, error) {
	select {
	case l.asking <- struct{}{}:
		defer func() { <-l.asking }()
	case <-l.done:
		return wire.Message{}, errEnded
	case <-timeout:
		l.Close()
		return wire.Message{}, ErrNoAnswer
	}
	select {
	case <-l.answers: // to a question that was never asked
	default:
	}
	if err := l.conn.Send(m, fds); err != nil {
		l.Close()
		return wire.Message{}, err
	}
	select {
	case answer := <-l.answers:
		return answer, nil
	case <-l.done:
		return wire.Message{}, errEnded
	case <-timeout:
		l.Close()
		return wire.Message{}, ErrNoAnswer
	}
}

// receive handles what the other end says, until it has ended.
func (l *Link) receive() error {
	for {
		m, fds, err := l.conn.Receive()
		if err != nil && !errors.Is(err, wire.ErrNoRoom) {
			return err
		}
		if m.Op == wire.Done {
			select {
			case l.answers <- m:
			default:
				return fmt.Errorf("an answer to no question: %q", m.Error)
			}
			continue
		}
		if err == nil {
			err = l.do(m, fds)
		}
		if err := l.conn.Send(wire.Answer(err), nil); err != nil {
			return err
		}
	}
}

// do does what a message asks for. The descriptors become the shelf's.
func (l *Link) do(m wire.Message, fds []int) error {
	switch {
	case m.Op == wire.Change:
		return l.apply(m, fds)
	case m.Op == wire.Synced && !l.giver:
		l.finish()
		return nil
	}
	wire.CloseAll(fds)
	if l.handle == nil {
		return fmt.Errorf("%q is not understood", m.Op)
	}
	return l.handle(m.Op)
}
