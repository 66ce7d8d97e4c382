package linux

import (
	"cmp"
	"fmt"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/netns"
)

const (
	// maxJoins bounds the joins of one socket, because leaving searches them
	// all. The kernel's own limits are lower in part (20 groups in IPv4, 10
	// sources of a group): it tells when they are reached.
	maxJoins = 64

	// spareSockets are opened at a time: entering a namespace costs more.
	spareSockets = 8
)

// groups are the memberships of one family. The kernel limits how many a socket
// may hold, so they are spread over many.
type groups struct {
	family mroute.Family
	ns     *netns.Namespace
	kept   *kept // nil: memberships end with this process
	joined map[membership]*groupSocket
	room   [2][]*groupSocket // that may take more joins: of any source, of one source
	spare  []int             // sockets without joins
	opened uint64            // sockets so far
	value  []byte
}

// membership is one join. A link that is deleted takes its memberships along,
// but not those of the socket: the number still has to be freed.
type membership struct {
	sg      mroute.SG
	ifindex int
}

// groupSocket holds joins of one kind. The kinds are apart because a source
// joined on a socket that has joined the group for any source replaces that.
type groupSocket struct {
	fd    int
	n     uint64 // rises from socket to socket
	name  string // in the store
	joins int
	full  bool
}

// kind is the index in groups.room.
func kind(sg mroute.SG) int {
	if sg.Source.IsValid() {
		return 1
	}
	return 0
}

func (g *groups) join(sg mroute.SG, ifindex int) syscall.Errno {
	m := membership{sg, ifindex}
	if _, ok := g.joined[m]; ok {
		return 0
	}
	room := &g.room[kind(sg)]
	for {
		if len(*room) == 0 {
			s, errno := g.open()
			if errno != 0 {
				return errno
			}
			*room = append(*room, s)
		}
		s := (*room)[len(*room)-1]
		errno := g.set(s.fd, m, uapi.MCastJoinGroup, uapi.MCastJoinSourceGroup)
		switch {
		case errno == 0, errno == unix.EADDRINUSE:
			if g.joined == nil {
				g.joined = map[membership]*groupSocket{}
			}
			g.joined[m] = s
			if s.joins++; s.joins >= maxJoins {
				g.fill(s, room)
			}
			return 0
		case (errno == unix.ENOBUFS || errno == unix.ENOMEM) && s.joins > 0:
			g.fill(s, room)
			continue
		}
		if s.joins == 0 {
			g.drop(s, room)
		}
		return errno
	}
}

func (g *groups) leave(sg mroute.SG, ifindex int) syscall.Errno {
	m := membership{sg, ifindex}
	s, ok := g.joined[m]
	if !ok {
		return 0
	}
	delete(g.joined, m)
	room := &g.room[kind(sg)]
	if s.joins--; s.joins == 0 {
		g.drop(s, room) // cheaper than leaving
		return 0
	}
	if s.full {
		s.full = false
		*room = append(*room, s)
	}
	errno := g.set(s.fd, m, uapi.MCastLeaveGroup, uapi.MCastLeaveSourceGroup)
	if errno == unix.ENODEV && sg.Source.IsValid() {
		// The link is gone, and the kernel cannot find the source without it.
		// Leaving the group works, for all its sources, which are gone too.
		errno = g.set(s.fd, membership{mroute.SG{Group: sg.Group}, ifindex}, uapi.MCastLeaveGroup, 0)
	}
	if errno == unix.ENODEV || errno == unix.EADDRNOTAVAIL {
		return 0 // there is nothing to leave
	}
	return errno
}

// fill takes a socket off those that have room.
func (g *groups) fill(s *groupSocket, room *[]*groupSocket) {
	s.full = true
	*room = slices.DeleteFunc(*room, func(other *groupSocket) bool { return other == s })
}

// drop closes a socket, which leaves all groups.
func (g *groups) drop(s *groupSocket, room *[]*groupSocket) {
	g.fill(s, room)
	g.end(s)
}

func (g *groups) end(s *groupSocket) {
	_ = unix.Close(s.fd)
	if g.kept != nil {
		g.kept.Store.Drop(s.name)
	}
}

// close leaves all groups.
func (g *groups) close() { g.closeEach(g.end) }

// detach closes all descriptors.
func (g *groups) detach() { g.closeEach(func(s *groupSocket) { _ = unix.Close(s.fd) }) }

func (g *groups) closeEach(end func(*groupSocket)) {
	sockets := slices.Concat(g.room[:]...)
	for _, s := range g.joined {
		if s.full {
			sockets = append(sockets, s)
			s.full = false // it is in joined many times
		}
	}
	// The newest first, because the kernel searches them in this order: with
	// very many groups that is a matter of minutes.
	slices.SortFunc(sockets, func(a, b *groupSocket) int { return cmp.Compare(b.n, a.n) })
	for _, s := range sockets {
		end(s)
	}
	for _, fd := range g.spare {
		_ = unix.Close(fd)
	}
	*g = groups{family: g.family, ns: g.ns, kept: g.kept}
}

// set makes the call for any source, or for one source.
func (g *groups) set(fd int, m membership, anySource, oneSource int) syscall.Errno {
	opt := anySource
	if m.sg.Source.IsValid() {
		opt = oneSource
		g.value = uapi.AppendGroupSourceReq(g.value[:0], m.ifindex, m.sg.Source, m.sg.Group, uapi.NativeWord)
	} else {
		g.value = uapi.AppendGroupReq(g.value[:0], m.ifindex, m.sg.Group, uapi.NativeWord)
	}
	return setsockopt(fd, level(g.family), opt, g.value)
}

// open returns a socket for joins, which the store holds before the first.
func (g *groups) open() (*groupSocket, syscall.Errno) {
	fd, errno := g.socket()
	if errno != 0 {
		return nil, errno
	}
	g.opened++
	s := &groupSocket{fd: fd, n: g.opened}
	if g.kept != nil {
		s.name = fmt.Sprintf("%s%s.%d", g.kept.groupsPrefix(g.family), g.kept.gen, s.n)
		g.kept.put(s.name, fd, false)
	}
	return s, 0
}

// socket takes a spare socket, or opens some.
func (g *groups) socket() (int, syscall.Errno) {
	if len(g.spare) == 0 {
		err := g.ns.Do(func() error {
			for len(g.spare) < spareSockets {
				fd, err := groupFD(g.family)
				if err != nil {
					return err
				}
				g.spare = append(g.spare, fd)
			}
			return nil
		})
		if len(g.spare) == 0 {
			return -1, errnoOf(err)
		}
	}
	fd := g.spare[len(g.spare)-1]
	g.spare = g.spare[:len(g.spare)-1]
	return fd, 0
}

// groupFD opens a socket that joins groups and receives nothing.
func groupFD(f mroute.Family) (int, error) {
	fd, err := unix.Socket(domain(f), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	if err = quiet(f, fd); err == nil {
		err = attachFilter(fd, nothing)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
