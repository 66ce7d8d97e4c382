package shelf

import (
	"fmt"
	"time"

	"github.com/smcroute/kube-smcroute/agent/keep/wire"
)

// mark has the other end be told what is held under the name. With shelf.mu.
func (l *Link) mark(name string) {
	l.dirty[name] = struct{}{}
	delete(l.refused, name)
	l.awake()
}

// awake lets the sender look. It never waits.
func (l *Link) awake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// notify has Await look. With shelf.mu.
func (l *Link) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// send tells the other end what changed, some names at a time, until the
// connection has ended.
func (l *Link) send() {
	for {
		m, fds := l.take()
		if m.Op == "" {
			select {
			case <-l.wake:
				continue
			case <-l.done:
				return
			}
		}
		answer, err := l.ask(m, fds, nil) // which takes as long as it takes
		wire.CloseAll(fds)
		if err != nil {
			return // what is dirty is told over the next connection
		}
		l.sent(m, answer.Err())
	}
}

// take makes the next message. Its descriptors are to be closed.
func (l *Link) take() (m wire.Message, fds []int) {
	l.shelf.mu.Lock()
	defer l.shelf.mu.Unlock()
	if !l.giver && !l.synced {
		return m, nil
	}
	for name := range l.dirty {
		if len(m.Put)+len(m.Drop) == wire.MaxNames {
			break
		}
		delete(l.dirty, name)
		i, ok := l.shelf.items[name]
		if !ok {
			m.Drop = append(m.Drop, name)
			l.flight[name] = struct{}{}
			continue
		}
		fd, err := duplicate(i.fd)
		if err != nil {
			l.refuse(name, err)
			continue
		}
		m.Put = append(m.Put, wire.Item{Name: name, Flush: i.flush})
		fds = append(fds, fd)
		l.flight[name] = struct{}{}
	}
	switch {
	case len(l.flight) > 0:
		m.Op = wire.Change
	case l.giver && !l.synced:
		m.Op = wire.Synced
	}
	return m, fds
}

// sent notes the answer to a message of take.
func (l *Link) sent(m wire.Message, err error) {
	l.shelf.mu.Lock()
	defer l.shelf.mu.Unlock()
	clear(l.flight)
	switch {
	case m.Op == wire.Synced:
		l.synced = true
		close(l.ready)
	case err != nil:
		for _, i := range m.Put {
			l.refuse(i.Name, err)
		}
		for _, name := range m.Drop {
			l.refuse(name, err)
		}
	}
	l.notify()
}

// refuse notes that the other end could not be told of a name, which is tried
// again. With shelf.mu.
func (l *Link) refuse(name string, err error) {
	if _, ok := l.dirty[name]; ok {
		return // it has changed again meanwhile
	}
	l.refused[name] = err
	time.AfterFunc(again, func() {
		l.shelf.mu.Lock()
		defer l.shelf.mu.Unlock()
		if _, ok := l.refused[name]; ok {
			l.mark(name)
		}
	})
}

// apply takes over a change of the other end, and the descriptors.
func (l *Link) apply(m wire.Message, fds []int) error {
	var old []int
	defer func() { wire.CloseAll(old) }()
	l.shelf.mu.Lock()
	defer l.shelf.mu.Unlock()
	if n := l.growth(m); len(l.shelf.items)+n > Most {
		old = fds
		return fmt.Errorf("%d descriptors are held already: expected %d at most", len(l.shelf.items), Most)
	}
	for n, p := range m.Put {
		i := item{fds[n], p.Flush}
		if !l.accepts(p.Name, &i) {
			old = append(old, i.fd)
			continue
		}
		if before, _ := l.shelf.set(p.Name, i, l); before >= 0 {
			old = append(old, before)
		}
	}
	for _, name := range m.Drop {
		if !l.accepts(name, nil) {
			continue
		}
		if before := l.shelf.unset(name, l); before >= 0 {
			old = append(old, before)
		}
	}
	return nil
}

// growth is how many more names the shelf would have.
func (l *Link) growth(m wire.Message) (n int) {
	for _, p := range m.Put {
		if _, ok := l.shelf.items[p.Name]; !ok {
			n++
		}
	}
	return n
}

// accepts reports whether what the other end says of a name is what counts: i, or
// that nothing is held.
func (l *Link) accepts(name string, i *item) bool {
	if l.giver {
		delete(l.dirty, name) // it knows better
		return true
	}
	if !l.synced && i != nil {
		l.seen[name] = struct{}{}
	}
	_, dirty := l.dirty[name]
	_, flying := l.flight[name]
	switch {
	case dirty || flying:
		return false // it will be told
	case !l.lead || l.synced:
		return true
	}
	if own, ok := l.shelf.items[name]; i == nil || !ok || !own.same(*i) {
		l.mark(name)
	}
	return false
}

// finish ends the time in which the other end tells all that it has.
func (l *Link) finish() {
	var old []int
	defer func() { wire.CloseAll(old) }()
	l.shelf.mu.Lock()
	defer l.shelf.mu.Unlock()
	if l.synced {
		return
	}
	for name := range l.shelf.items {
		_, seen := l.seen[name]
		_, dirty := l.dirty[name]
		switch {
		case seen || dirty:
		case l.lead:
			l.mark(name)
		default:
			old = append(old, l.shelf.unset(name, l))
		}
	}
	l.seen, l.synced = nil, true
	close(l.ready)
	l.notify()
	l.awake()
}
