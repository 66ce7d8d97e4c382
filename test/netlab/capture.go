package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Direction is that of a captured packet, seen from the link.
type Direction uint8

// The directions.
const (
	In  Direction = iota // arrived on the link
	Out                  // sent out of the link
)

// Capture counts the UDP packets to multicast groups on a link. What it is asked
// for includes every packet that the kernel had given to its socket by then.
type Capture struct {
	tb   TB
	link string
	file *os.File
	raw  syscall.RawConn
	done chan struct{}

	reading sync.Mutex // held before mu
	buf     []byte

	mu    sync.Mutex
	flows [2]map[mroute.SG]*Flow
	err   error
}

// Capture counts what passes on link from now until the end of the test.
func (ns *NS) Capture(link string) *Capture {
	ns.tb.Helper()
	c, err := ns.capture(link)
	if err != nil {
		ns.tb.Fatalf("netlab: capture on %s: %v", link, err)
	}
	ns.tb.Cleanup(c.Stop)
	return c
}

// capture is Capture, until Stop.
func (ns *NS) capture(link string) (*Capture, error) {
	ns.tb.Helper()
	c := &Capture{tb: ns.tb, link: link, done: make(chan struct{}), buf: make([]byte, maxFrame), flows: noFlows()}
	index := ns.Index(link)
	err := ns.Do(func() error {
		fd, err := openCapture(index)
		if err != nil {
			return err
		}
		c.file = os.NewFile(uintptr(fd), "capture on "+link)
		c.raw, err = c.file.SyscallConn()
		return err
	})
	if err != nil {
		return nil, err
	}
	go c.run()
	return c, nil
}

// openCapture opens an AF_PACKET socket on a link, of the thread's namespace,
// that gets only UDP to multicast groups.
func openCapture(index int) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	// Root may go beyond net.core.rmem_max.
	const buffer = 64 << 20
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer); err != nil {
			return -1, fmt.Errorf("receive buffer: %w", err)
		}
	}
	filter, err := sockFilter(packetFilter)
	if err != nil {
		return -1, err
	}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, filter); err != nil {
		return -1, fmt.Errorf("attaching the filter: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: index}); err != nil {
		return -1, fmt.Errorf("bind: %w", err)
	}
	return fd, nil
}

// packetFilter passes frames with a group address, IPv4 or IPv6, and UDP.
var packetFilter = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 0, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: 1, SkipTrue: 7},
	bpf.LoadAbsolute{Off: 12, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherIPv4, SkipTrue: 2},
	bpf.LoadAbsolute{Off: etherHeader + 9, Size: 1},
	bpf.Jump{Skip: 2},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherIPv6, SkipTrue: 3},
	bpf.LoadAbsolute{Off: etherHeader + 6, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protoUDP, SkipTrue: 1},
	bpf.RetConstant{Val: maxFrame},
	bpf.RetConstant{Val: 0},
}

// sockFilter is a filter as the kernel takes it.
func sockFilter(instructions []bpf.Instruction) (*unix.SockFprog, error) {
	raw, err := bpf.Assemble(instructions)
	if err != nil {
		return nil, fmt.Errorf("assembling the filter: %w", err)
	}
	program := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		program[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}, nil
}

const maxFrame = 1 << 17

// htons returns n such that its bytes in memory are in network order.
func htons(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

func (c *Capture) run() {
	defer close(c.done)
	for {
		var readErr error
		err := c.raw.Read(func(fd uintptr) bool {
			readErr = c.drain(int(fd))
			return !errors.Is(readErr, unix.EAGAIN)
		})
		if err != nil {
			return // closed by Stop
		}
		if !c.goesOn(readErr) {
			return
		}
	}
}

// catchUp counts what waits in the socket. The goroutine of run would do so too,
// but later, and by any time on a busy machine.
func (c *Capture) catchUp() {
	// Control, as Read would wait for the one that run waits in. After Stop there
	// is nothing to read.
	_ = c.raw.Control(func(fd uintptr) { c.goesOn(c.drain(int(fd))) })
}

// goesOn keeps an error that ends the capture. ENETDOWN does not: it comes once
// when the link goes down, which may come up again.
func (c *Capture) goesOn(err error) bool {
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENETDOWN) {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	return false
}

// drain reads until an error, EAGAIN in the end.
func (c *Capture) drain(fd int) error {
	c.reading.Lock()
	defer c.reading.Unlock()
	for {
		n, from, err := unix.Recvfrom(fd, c.buf, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if !ok {
			continue
		}
		direction := In
		if link.Pkttype == unix.PACKET_OUTGOING {
			direction = Out
		}
		r, ok := decode(c.buf[:n])
		if !ok {
			continue
		}
		c.mu.Lock()
		flow := c.flows[direction][r.sg]
		if flow == nil {
			flow = &Flow{}
			c.flows[direction][r.sg] = flow
		}
		flow.add(r, time.Now())
		c.mu.Unlock()
	}
}

// Stop ends the capture; what it counted can still be read.
func (c *Capture) Stop() {
	_ = c.file.Close() // a second call has nothing to close
	<-c.done
}

// Reset forgets all that was counted.
func (c *Capture) Reset() {
	c.catchUp()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flows = noFlows()
}

// noFlows are those of a capture that has counted nothing, by direction.
func noFlows() [2]map[mroute.SG]*Flow { return [2]map[mroute.SG]*Flow{{}, {}} }

// Forget forgets what was counted of sg.
func (c *Capture) Forget(sg mroute.SG) {
	c.catchUp()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, flows := range c.flows {
		delete(flows, sg)
	}
}

// Flow returns a copy of what was seen of sg in one direction, zero if nothing.
func (c *Capture) Flow(d Direction, sg mroute.SG) Flow {
	return c.Flows(d)[sg]
}

// Flows returns a copy of all that was seen in one direction.
func (c *Capture) Flows(d Direction) map[mroute.SG]Flow {
	c.catchUp()
	c.mu.Lock()
	defer c.mu.Unlock()
	flows := make(map[mroute.SG]Flow, len(c.flows[d]))
	for sg, flow := range c.flows[d] {
		f := *flow
		f.TTLs, f.seen = maps.Clone(f.TTLs), slices.Clone(f.seen)
		flows[sg] = f
	}
	return flows
}

// Count is how many packets of sg arrived.
func (c *Capture) Count(sg mroute.SG) int {
	c.catchUp()
	c.mu.Lock()
	defer c.mu.Unlock()
	if flow := c.flows[In][sg]; flow != nil {
		return flow.Packets
	}
	return 0
}

// Has reports whether the packet of sg with that number arrived.
func (c *Capture) Has(sg mroute.SG, seq uint64) bool {
	c.catchUp()
	c.mu.Lock()
	defer c.mu.Unlock()
	flow := c.flows[In][sg]
	return flow != nil && flow.Has(seq)
}

// Await waits until at least n packets of sg have arrived, or ends the test. A
// test that expects exactly n checks Count once whatever could bring more has
// happened: for example after packets sent later, on another group, arrived.
func (c *Capture) Await(sg mroute.SG, n int, within time.Duration) {
	c.tb.Helper()
	if !Poll(within, func() bool { return c.Count(sg) >= n }) {
		c.tb.Fatalf("timed out after %v waiting for %d packets of %v to arrive on %s; %v", within, n, sg, c.link, c)
	}
}

// Dropped is how many packets the capture itself lost because it could not
// keep up. A test for loss must see 0. Call it once, before Stop.
func (c *Capture) Dropped() (n int) {
	c.tb.Helper()
	var err error
	controlErr := c.raw.Control(func(fd uintptr) {
		var stats *unix.TpacketStats
		if stats, err = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			n = int(stats.Drops)
		}
	})
	if err := errors.Join(err, controlErr); err != nil {
		c.tb.Fatalf("netlab: statistics of the capture on %s: %v", c.link, err)
	}
	return n
}

// String lists what was captured: "in: (10.0.0.1, 225.1.2.3) 3 packets".
func (c *Capture) String() string {
	c.catchUp()
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []string
	for d, name := range []string{In: "in", Out: "out"} {
		for _, sg := range slices.SortedFunc(maps.Keys(c.flows[d]), mroute.SG.Compare) {
			parts = append(parts, fmt.Sprintf("%s: %v %d packets", name, sg, c.flows[d][sg].Packets))
		}
	}
	if c.err != nil {
		parts = append(parts, "capture failed: "+c.err.Error())
	}
	if parts == nil {
		return "nothing captured"
	}
	return strings.Join(parts, ", ")
}
