package capture

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/smcroute/kube-smcroute/agent/capture/ip"
	"github.com/smcroute/kube-smcroute/agent/netns"
	"golang.org/x/sys/unix"
)

// Options say what to listen to.
type Options struct {
	NetNS string // path of the network namespace; "": that of the process

	// Group and Source choose packets; the zero value is any. A group that is no multicast
	// address is an error, and so are two families.
	Group, Source netip.Prefix

	// Snap is how many bytes of a packet are wanted, from the IP header on, up to 65,535;
	// 0 stands for 128, which is enough for all headers.
	Snap int

	// Buffer is the least size of the ring in bytes, which is memory of the kernel; 0
	// stands for 4 MiB.
	Buffer int

	// Wide makes the links take in packets to all groups as long as the capture lasts, as
	// those that packets are routed from do anyway. Others may hold back in hardware what
	// nobody joined, so that it is not seen.
	Wide bool
}

// Direction is that of a packet, seen from the link.
type Direction uint8

// The directions.
const (
	In  Direction = iota // arrived on the link
	Out                  // sent out of the link, by routing or by this node
)

// String returns "in" or "out".
func (d Direction) String() string {
	if d == Out {
		return "out"
	}
	return "in"
}

// Packet is a packet on a link.
type Packet struct {
	Link      int // index of the link
	Direction Direction
	VLAN      uint16 // number in its tag, of 802.1Q or 802.1ad; 0: none
	Time      int64  // when the kernel saw it, in nanoseconds since 1970
	ip.Packet        // Payload is valid until the function that got it returns
}

// Stats counts what passed the filter.
type Stats struct {
	Packets uint64 `json:"packets"`           // all, Dropped included
	Dropped uint64 `json:"dropped,omitempty"` // there was no room in the ring: the program was too slow
	Broken  uint64 `json:"broken,omitempty"`  // their headers made no sense
}

// Capture is an open capture.
type Capture struct {
	file *os.File
	ring ring

	mu    sync.Mutex // guards stats: Stats may be called at any time
	stats Stats
}

// Errors of [Open] are about the namespace, and [os.ErrPermission] without CAP_NET_RAW in
// it. The capture begins when Open returns.
func Open(o Options) (*Capture, error) {
	program, err := filter(o)
	if err != nil {
		return nil, err
	}
	c := &Capture{}
	err = netns.Do(o.NetNS, func() error { return c.open(o, program) })
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends the capture and gives its memory back. No Run may be under way.
func (c *Capture) Close() {
	if c.file != nil {
		_ = c.file.Close()
	}
	c.ring.unmap()
}

// Run calls f for each packet, in the order in which the kernel saw them, until ctx is
// done; what was captured until then still comes. It returns an error only if the capture
// cannot go on. It may be called again.
func (c *Capture) Run(ctx context.Context, f func(*Packet)) error {
	if err := c.file.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	// The block that is being filled comes when its time is up.
	stop := context.AfterFunc(ctx, func() { _ = c.file.SetReadDeadline(time.Now().Add(3 * retireAfter)) })
	defer stop()
	raw, err := c.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	for {
		err := raw.Read(func(uintptr) bool { return c.drain(f) })
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return fmt.Errorf("capture: %w", err)
		}
	}
}

// drain takes the next block of the ring, if it is full or its time is up.
func (c *Capture) drain(f func(*Packet)) bool {
	return c.ring.next(func(fr frame) {
		p := Packet{Link: fr.link, VLAN: fr.vlan, Time: fr.time}
		if fr.kind == unix.PACKET_OUTGOING {
			p.Direction = Out
		}
		var err error
		if p.Packet, err = ip.Decode(fr.data); err != nil {
			c.mu.Lock()
			c.stats.Broken++
			c.mu.Unlock()
			return
		}
		f(&p)
	})
}

// Stats returns the counts so far.
func (c *Capture) Stats() (Stats, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	raw, err := c.file.SyscallConn()
	if err != nil {
		return c.stats, fmt.Errorf("capture: %w", err)
	}
	controlErr := raw.Control(func(fd uintptr) {
		// Reading sets the kernel's counters to 0.
		var s *unix.TpacketStatsV3
		if s, err = unix.GetsockoptTpacketStatsV3(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			c.stats.Packets += uint64(s.Packets)
			c.stats.Dropped += uint64(s.Drops)
		}
	})
	if err := errors.Join(err, controlErr); err != nil {
		return c.stats, fmt.Errorf("capture: counters: %w", err)
	}
	return c.stats, nil
}
