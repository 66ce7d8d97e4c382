// Package shelf holds descriptors under names, and has what it holds held in
// other processes as well.
package shelf

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/keep/wire"
)

// Most is how many descriptors a shelf holds at most.
const Most = 1 << 16

// Shelf holds descriptors of its own. The zero value is an empty one.
type Shelf struct {
	mu    sync.Mutex
	items map[string]item
	links map[*Link]struct{} // told of every change

	// written says that Put or Drop were called: it is known here, and not only
	// elsewhere, what is to be held.
	written bool
}

// item is what is held under a name.
type item struct {
	fd    int
	flush bool // see keep.Store
}

// Names lists what is held, in order.
func (s *Shelf) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.items))
}

// Len is how much is held.
func (s *Shelf) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.items)
}

// Get returns a descriptor for what is held under the name, or nil.
func (s *Shelf) Get(name string) *os.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.items[name]
	if !ok {
		return nil
	}
	fd, err := duplicate(i.fd)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), name)
}

// Put holds fd under the name, in the place of what was there.
func (s *Shelf) Put(name string, fd int, flush bool) error {
	if err := wire.CheckName(name); err != nil {
		return err
	}
	own, err := duplicate(fd)
	if err != nil {
		return fmt.Errorf("holding %s: %w", name, err)
	}
	s.mu.Lock()
	s.written = true
	old, err := s.set(name, item{own, flush}, nil)
	s.mu.Unlock()
	shut(old)
	return err
}

// Drop ends what is held under the name, if anything is.
func (s *Shelf) Drop(name string) {
	s.mu.Lock()
	s.written = true
	old := s.unset(name, nil)
	s.mu.Unlock()
	shut(old)
}

// Each calls f for all that is held, in order. f must not use the shelf.
func (s *Shelf) Each(f func(name string, fd int, flush bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.items)) {
		f(name, s.items[name].fd, s.items[name].flush)
	}
}

// Close closes the shelf's own descriptors: what is held elsewhere still is.
func (s *Shelf) Close() {
	s.mu.Lock()
	items := s.items
	s.items = nil
	s.mu.Unlock()
	for _, i := range items {
		_ = unix.Close(i.fd)
	}
}

// set takes i, even if it fails, and returns the descriptor that is to be closed
// without the lock, since that of a multicast socket takes its time. All links
// but one are told.
func (s *Shelf) set(name string, i item, but *Link) (old int, err error) {
	before, ok := s.items[name]
	switch {
	case !ok && len(s.items) >= Most:
		return i.fd, fmt.Errorf("holding %s: %d descriptors are held already, which is the most", name, Most)
	case !ok:
		before.fd = -1
	}
	if s.items == nil {
		s.items = map[string]item{}
	}
	s.items[name] = i
	s.tell(name, but)
	return before.fd, nil
}

// tell has all links but one tell the other ends what is held under a name now.
func (s *Shelf) tell(name string, but *Link) {
	for l := range s.links {
		if l != but {
			l.mark(name)
		}
	}
}

// unset is set's opposite. Without an item it returns -1.
func (s *Shelf) unset(name string, but *Link) (old int) {
	i, ok := s.items[name]
	if !ok {
		return -1
	}
	delete(s.items, name)
	s.tell(name, but)
	return i.fd
}

// same reports whether both are the same socket, not only alike, and are to be
// treated alike.
func (i item) same(other item) bool {
	var a, b unix.Stat_t
	return i.flush == other.flush && unix.Fstat(i.fd, &a) == nil && unix.Fstat(other.fd, &b) == nil &&
		a.Dev == b.Dev && a.Ino == b.Ino
}

func duplicate(fd int) (int, error) {
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
}

// shut closes fd, unless it is -1.
func shut(fd int) {
	if fd >= 0 {
		_ = unix.Close(fd)
	}
}
