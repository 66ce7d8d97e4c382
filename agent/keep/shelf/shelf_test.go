package shelf

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/keep/wire"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// file is something to hold, each another one.
func file(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// empty returns an empty shelf.
func empty(t *testing.T) *Shelf {
	s := &Shelf{}
	t.Cleanup(s.Close)
	return s
}

// holds reports whether s holds fd's file under the name.
func holds(s *Shelf, name string, fd int) bool {
	f := s.Get(name)
	if f == nil {
		return false
	}
	defer f.Close()
	return item{fd: fd}.same(item{fd: int(f.Fd())})
}

// at is what s holds under a name.
func at(s *Shelf, name string) item {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.items[name]
}

func put(t *testing.T, s *Shelf, name string, fd int) {
	t.Helper()
	if err := s.Put(name, fd, false); err != nil {
		t.Fatal(err)
	}
}

func TestShelf(t *testing.T) {
	s := empty(t)
	a, b := file(t), file(t)
	put(t, s, "x", a)
	put(t, s, "w", a)
	put(t, s, "x", b)
	if got := fmt.Sprint(s.Names()); got != "[w x]" || s.Len() != 2 {
		t.Errorf("names: %v", got)
	}
	if !holds(s, "x", b) || !holds(s, "w", a) {
		t.Error("something else is held")
	}
	s.Drop("x")
	s.Drop("x")
	if s.Get("x") != nil {
		t.Error("what was dropped is there")
	}
	if err := s.Put("a:b", a, false); err == nil {
		t.Error("a bad name was taken")
	}
	s.Close()
	if s.Len() != 0 {
		t.Error("not empty")
	}
}

// The shelf's limit is told, and costs nothing that is held.
func TestMost(t *testing.T) {
	s := empty(t)
	s.items = map[string]item{}
	for n := range Most {
		s.items[fmt.Sprint(n)] = item{fd: -1}
	}
	fd := file(t)
	before := descriptors(t)
	if err := s.Put("more", fd, false); err == nil || !strings.Contains(err.Error(), "65536") {
		t.Errorf("got %v", err)
	}
	put(t, s, "0", fd)
	s.Drop("0")
	put(t, s, "more", fd)
	if after := descriptors(t); after != before+1 {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// await waits until cond is true.
func await(t *testing.T, cond func() bool) {
	t.Helper()
	netlab.Await(t, time.Minute, cond, "the other end")
}

// conns are both ends of a connection.
func conns(t *testing.T) (a, b *wire.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*wire.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "")
		c, err := net.FileConn(f)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		ends[i] = wire.NewConn(c.(*net.UnixConn))
	}
	return ends[0], ends[1]
}

// run runs a link until the test ends.
func run(t *testing.T, l *Link) *Link {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = l.Run()
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return l
}

// connect links two shelves, and waits until they are alike.
func connect(t *testing.T, giver, follower *Shelf) (give, follow *Link) {
	t.Helper()
	a, b := conns(t)
	give = run(t, giver.Give(a, nil))
	follow = run(t, follower.Follow(b, nil))
	for _, l := range []*Link{give, follow} {
		select {
		case <-l.Ready():
		case <-time.After(time.Minute):
			t.Fatal("not in sync")
		}
	}
	return give, follow
}

// told waits until the other end knows of a name.
func told(t *testing.T, l *Link, name string) {
	t.Helper()
	if err := l.Await(name, time.Minute); err != nil {
		t.Fatal(err)
	}
}

func TestFollowerGetsAllAndEveryChange(t *testing.T) {
	giver, follower := empty(t), empty(t)
	a, b := file(t), file(t)
	put(t, giver, "a", a)
	give, _ := connect(t, giver, follower)
	if !holds(follower, "a", a) {
		t.Fatal("what the giver had is not there")
	}
	put(t, giver, "b", b)
	told(t, give, "b")
	if !holds(follower, "b", b) {
		t.Error("what came later is not there")
	}
	put(t, giver, "a", b)
	told(t, give, "a")
	if !holds(follower, "a", b) {
		t.Error("what was replaced is the old one")
	}
	giver.Drop("a")
	told(t, give, "a")
	if follower.Get("a") != nil {
		t.Error("what was dropped is there")
	}
	if !give.Alike() {
		t.Error("they differ")
	}
}

// A program has things held at the other end, and who follows there gets them too.
func TestFollowerGives(t *testing.T) {
	keeper, program, mirror := empty(t), empty(t), empty(t)
	_, up := connect(t, keeper, program)
	down, _ := connect(t, keeper, mirror)
	fd := file(t)
	if err := program.Put("a", fd, true); err != nil {
		t.Fatal(err)
	}
	told(t, up, "a")
	told(t, down, "a")
	if !holds(mirror, "a", fd) || !at(mirror, "a").flush {
		t.Error("the mirror has it not")
	}
	program.Drop("a")
	told(t, up, "a")
	told(t, down, "a")
	if keeper.Len()+mirror.Len() != 0 {
		t.Error("what was dropped is there")
	}
}

// What is put when the connection has ended is not said to be held at the other end.
func TestPutTooLate(t *testing.T) {
	keeper, program := empty(t), empty(t)
	a, b := conns(t)
	run(t, keeper.Give(a, nil))
	link := program.Follow(b, nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = link.Run()
	}()
	fd := file(t)
	put(t, program, "in time", fd)
	told(t, link, "in time")
	link.Close()
	<-ended
	put(t, program, "too late", fd)
	if err := link.Await("too late", time.Minute); !errors.Is(err, errEnded) {
		t.Errorf("got %v, want %v", err, errEnded)
	}
}

// Who has never changed anything takes what is there, and forgets what is not.
func TestReaderComesBack(t *testing.T) {
	keeper, reader := empty(t), empty(t)
	a := file(t)
	put(t, keeper, "a", a)
	put(t, keeper, "b", a)
	_, link := connect(t, keeper, reader)
	link.Close()
	<-link.Done()
	keeper.Drop("b")
	put(t, keeper, "c", a)
	connect(t, keeper, reader)
	if got := fmt.Sprint(reader.Names()); got != "[a c]" {
		t.Errorf("got %v", got)
	}
}

// Who has is right, and sends only what differs.
func TestWriterComesBack(t *testing.T) {
	keeper, writer := empty(t), empty(t)
	a, b := file(t), file(t)
	put(t, writer, "same", a)
	put(t, writer, "other", a)
	put(t, writer, "missing", a)
	put(t, keeper, "same", a)
	put(t, keeper, "other", b)
	put(t, keeper, "old", b)
	before := at(keeper, "same").fd
	_, link := connect(t, keeper, writer)
	for _, name := range []string{"same", "other", "missing", "old"} {
		told(t, link, name)
	}
	if got := fmt.Sprint(keeper.Names()); got != "[missing other same]" {
		t.Errorf("got %v", got)
	}
	if !holds(keeper, "other", a) || !holds(keeper, "missing", a) {
		t.Error("something else is held")
	}
	if at(keeper, "same").fd != before {
		t.Error("what was the same was sent")
	}
	if !holds(writer, "other", a) || writer.Get("old") != nil {
		t.Error("the writer took what the keeper had")
	}
}

// What is changed while the keeper still tells what it has counts.
func TestChangesDuringTheStart(t *testing.T) {
	keeper, program := empty(t), empty(t)
	a, b := file(t), file(t)
	put(t, keeper, "x", a)
	put(t, keeper, "y", a)
	down, up := conns(t)
	follow := program.Follow(up, nil)
	put(t, program, "x", b)
	put(t, program, "z", b)
	run(t, keeper.Give(down, nil))
	run(t, follow)
	<-follow.Ready()
	told(t, follow, "x")
	told(t, follow, "z")
	if got := fmt.Sprint(keeper.Names()); got != "[x y z]" || !holds(keeper, "x", b) || !holds(program, "x", b) {
		t.Errorf("got %v", got)
	}
}

func TestManyDescriptors(t *testing.T) {
	const many = 3000 // held three times by this process
	keeper, program, mirror := empty(t), empty(t), empty(t)
	fd := file(t)
	for n := range many {
		put(t, program, fmt.Sprint(n), fd)
	}
	_, up := connect(t, keeper, program)
	for n := range many {
		told(t, up, fmt.Sprint(n))
	}
	connect(t, keeper, mirror)
	if mirror.Len() != many {
		t.Errorf("%d of %d are mirrored", mirror.Len(), many)
	}
}

// Two shelves may be linked again and again.
func TestLinksLeakNothing(t *testing.T) {
	keeper, program := empty(t), empty(t)
	fd := file(t)
	for n := range 50 {
		put(t, program, fmt.Sprint(n), fd)
	}
	before := 0
	for n := range 100 {
		give, link := connect(t, keeper, program)
		told(t, link, "1")
		put(t, program, "1", fd)
		told(t, link, "1")
		link.Close()
		<-link.Done()
		<-give.Done()
		if n == 0 {
			before = descriptors(t)
		}
	}
	await(t, func() bool { return descriptors(t) <= before })
}

// What the other end has no room for is told, and tried again.
func TestRefusedIsTriedAgain(t *testing.T) {
	keeper, program := empty(t), empty(t)
	keeper.items = map[string]item{}
	for n := range Most {
		keeper.items[fmt.Sprint("n", n)] = item{fd: -1}
	}
	a, b := conns(t)
	give := newLink(keeper, a, nil)
	give.giver = true // but gives nothing, for there are no descriptors
	give.synced = true
	keeper.links = map[*Link]struct{}{give: {}}
	run(t, give)
	program.written = true
	follow := program.Follow(b, nil)
	follow.finish()
	run(t, follow)
	put(t, program, "a", file(t))
	if err := follow.Await("a", 10*time.Second); err == nil || !strings.Contains(err.Error(), "expected 65536 at most") {
		t.Fatalf("got %v", err)
	}
	if follow.Alike() {
		t.Error("it says that all is held")
	}
	keeper.Drop("n0")
	await(t, follow.Alike)
}

func TestAsk(t *testing.T) {
	a, b := conns(t)
	giver, follower := empty(t), empty(t)
	give := run(t, giver.Give(a, nil))
	run(t, follower.Follow(b, func(op wire.Op) error {
		if op == wire.Succeed {
			return nil
		}
		return errors.New("not now")
	}))
	if err := give.Ask(wire.Succeed, 10*time.Second); err != nil {
		t.Error(err)
	}
	if err := give.Ask(wire.Stop, 10*time.Second); err == nil || err.Error() != "not now" {
		t.Errorf("got %v", err)
	}
}

// An end that says nothing keeps nobody waiting for long.
func TestAskWithoutAnswer(t *testing.T) {
	a, b := conns(t)
	defer b.Close()
	giver := empty(t)
	give := run(t, giver.Give(a, nil))
	if err := give.Ask(wire.Succeed, time.Millisecond); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("got %v", err)
	}
	<-give.Done()
}
