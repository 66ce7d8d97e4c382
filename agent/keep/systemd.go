package keep

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/keep/shelf"
)

const (
	// maxListenNames is how long all names together may be, in bytes. The next
	// process gets them in one environment variable, LISTEN_FDNAMES, and the
	// kernel starts no program with one of 128 KiB (MAX_ARG_STRLEN).
	maxListenNames = 120 << 10

	// managerPatience is how long a message to the service manager may take. Its
	// queue can be full.
	managerPatience = 5 * time.Second
)

// Systemd is a store in the service manager, systemd's file descriptor store: see
// FDSTORE=1 in sd_notify(3), and FileDescriptorStoreMax= in systemd.service(5),
// for without the latter the manager refuses everything, and tells only its log. It
// keeps what it holds over restarts of the service, and closes it when the service
// stops.
type Systemd struct {
	shelf.Shelf
	socket   string        // where the manager listens
	patience time.Duration // see managerPatience

	mu      sync.Mutex // of a whole Put or Drop
	told    map[string]bool
	length  int      // of the names told, and a colon each
	waiting []string // not told yet
	mute    bool     // the last message failed
}

var _ Store = (*Systemd)(nil)

// Inherit takes over what the service manager passes to this process, by the
// rules of sd_listen_fds(3), and removes the variables that say so from the
// environment, since they are not for child processes. The result is nil if this
// is no service of a manager that listens (NOTIFY_SOCKET). It is to be called
// once, before the program opens any file.
func Inherit() *Systemd {
	passed := activation.Files(true)
	s := &Systemd{socket: os.Getenv("NOTIFY_SOCKET"), patience: managerPatience, told: map[string]bool{}}
	for _, f := range passed {
		if s.socket != "" {
			s.inherit(f)
		}
		_ = f.Close()
	}
	if s.socket == "" {
		return nil
	}
	return s
}

func (s *Systemd) inherit(f *os.File) {
	err := control(f, func(fd int) error { return s.Shelf.Put(f.Name(), fd, false) })
	if err == nil {
		s.note(f.Name())
	}
}

// Put implements [Store]. What is held ends with the manager's last descriptor, so
// that flush makes no difference.
func (s *Systemd) Put(name string, fd int, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told[name] && s.holds(name, fd) {
		return nil
	}
	if err := s.Shelf.Put(name, fd, false); err != nil {
		return err
	}
	s.forget(name) // the manager would hold both under the name
	s.waiting = append(s.waiting, name)
	return s.catchUp()
}

// Drop implements [Store].
func (s *Systemd) Drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Shelf.Drop(name)
	s.forget(name)
	_ = s.catchUp()
}

// Lasts implements [Store].
func (s *Systemd) Lasts() bool { return true }

// DropAll drops what is held.
func (s *Systemd) DropAll() {
	for _, name := range s.Names() {
		s.Drop(name)
	}
}

// holds reports whether what is held under the name is what fd is.
func (s *Systemd) holds(name string, fd int) bool {
	f := s.Get(name)
	if f == nil {
		return false
	}
	defer f.Close()
	var held, other unix.Stat_t
	err := control(f, func(fd int) error { return unix.Fstat(fd, &held) })
	return err == nil && unix.Fstat(fd, &other) == nil && held.Dev == other.Dev && held.Ino == other.Ino
}

// note says that the manager holds something under the name.
func (s *Systemd) note(name string) {
	if !s.told[name] {
		s.told[name] = true
		s.length += len(name) + 1
	}
}

// forget has the manager hold nothing under the name.
func (s *Systemd) forget(name string) {
	s.waiting = slices.DeleteFunc(s.waiting, func(w string) bool { return w == name })
	if s.told[name] && s.tell("FDSTOREREMOVE=1\nFDNAME="+name, nil) == nil {
		delete(s.told, name)
		s.length -= len(name) + 1
	}
}

// catchUp tells the manager what waits, in order, until it cannot.
func (s *Systemd) catchUp() error {
	for len(s.waiting) > 0 {
		if err := s.give(s.waiting[0]); err != nil {
			return err
		}
		s.waiting = s.waiting[1:]
	}
	return nil
}

// give has the manager hold what is held here under the name.
func (s *Systemd) give(name string) error {
	if s.length+len(name)+1 > maxListenNames {
		return fmt.Errorf("holding %s: the service manager holds %d descriptors already, and cannot pass more names to the next process", name, len(s.told))
	}
	f := s.Get(name)
	if f == nil {
		return fmt.Errorf("holding %s: no descriptor is free", name)
	}
	defer f.Close()
	// Not to be dropped for what poll(2) says of it: an error on a socket that has
	// joined a group is no end of it.
	if err := s.tell("FDSTORE=1\nFDPOLL=0\nFDNAME="+name, f); err != nil {
		return fmt.Errorf("holding %s: %w", name, err)
	}
	s.note(name)
	return nil
}

// tell sends a message to the manager. What is in its queue is as good as held:
// that has a descriptor, and is read before the end of this process is. After a
// message that failed the next ones do not wait for anything.
func (s *Systemd) tell(message string, f *os.File) error {
	patience := s.patience
	if s.mute {
		patience = time.Millisecond
	}
	err := s.send(message, f, patience)
	s.mute = err != nil
	if err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	return nil
}

func (s *Systemd) send(message string, f *os.File, patience time.Duration) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: s.socket})
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetWriteDeadline(time.Now().Add(patience))
	if f == nil {
		_, err = conn.Write([]byte(message))
		return err
	}
	to, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var sendErr error
	err = to.Write(func(socket uintptr) bool {
		sendErr = control(f, func(fd int) error {
			return unix.Sendmsg(int(socket), []byte(message), unix.UnixRights(fd), nil, unix.MSG_NOSIGNAL)
		})
		return !errors.Is(sendErr, unix.EAGAIN)
	})
	return errors.Join(err, sendErr)
}

// control calls do with f's descriptor.
func control(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var doErr error
	err = raw.Control(func(fd uintptr) { doErr = do(int(fd)) })
	return errors.Join(err, doErr)
}
