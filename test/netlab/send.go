package netlab

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// sender is an AF_PACKET socket bound to a link.
type sender struct {
	fd    int
	index int
	mac   [6]byte
}

func (s *sender) close() { _ = unix.Close(s.fd) }

func (s *sender) write(frame []byte) error {
	for {
		_, err := unix.Write(s.fd, frame)
		if err != unix.EINTR {
			return err
		}
	}
}

// sender returns the socket of a link, kept as long as the link lives.
func (ns *NS) sender(link string) *sender {
	ns.tb.Helper()
	l := ns.link(link)
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if s := ns.senders[link]; s != nil {
		if s.index == l.Attrs().Index {
			return s
		}
		s.close()
		delete(ns.senders, link)
	}
	s, err := ns.newSender(l)
	if err != nil {
		ns.tb.Fatalf("netlab: opening a socket to send on %s: %v", link, err)
	}
	ns.senders[link] = s
	return s
}

func (ns *NS) newSender(link netlink.Link) (*sender, error) {
	s := &sender{index: link.Attrs().Index, mac: hardwareAddr(link)}
	err := ns.Do(func() error {
		var err error
		s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: s.index}); err != nil {
		s.close()
		return nil, fmt.Errorf("bind: %w", err)
	}
	return s, nil
}

// forget closes the socket of a link that is gone.
func (ns *NS) forget(link string) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if s := ns.senders[link]; s != nil {
		s.close()
		delete(ns.senders, link)
	}
}

// Send sends one packet out of link. Without a payload it carries sequence
// number 0.
func (ns *NS) Send(link string, p Packet) {
	ns.tb.Helper()
	if p.Payload == nil {
		p.Payload = sequencePayload(0)
	}
	s := ns.sender(link)
	frame, err := p.frame(s.mac)
	if p.VLAN != 0 && err == nil {
		frame = tagged(frame, p.VLAN)
	}
	if err == nil {
		err = s.write(frame)
	}
	if err != nil {
		ns.tb.Fatalf("netlab: sending to %v on %s: %v", p.Group, link, err)
	}
}

// SendBurst sends n packets numbered from first, as fast as it can. The
// payload is the number; p.Payload is appended to it.
func (ns *NS) SendBurst(link string, p Packet, first uint64, n int) {
	ns.tb.Helper()
	numbers, err := newNumbering(p, ns.sender(link), first)
	for range n {
		if err == nil {
			err = numbers.send()
		}
	}
	if err != nil {
		ns.tb.Fatalf("netlab: sending to %v on %s: %v", p.Group, link, err)
	}
}

// numbering sends a packet again and again with rising numbers.
type numbering struct {
	packet Packet
	sender *sender
	frame  []byte
	next   uint64
}

func newNumbering(p Packet, s *sender, first uint64) (*numbering, error) {
	p.Payload = append(sequencePayload(first), p.Payload...)
	frame, err := p.frame(s.mac)
	return &numbering{packet: p, sender: s, frame: frame, next: first}, err
}

func (n *numbering) send() error {
	header := ipv6Header
	if n.packet.Group.Is4() {
		header = ipv4Header
	}
	udp := n.frame[etherHeader+header:]
	binary.BigEndian.PutUint64(udp[udpHeader+len(magic):], n.next)
	udp[6], udp[7] = 0, 0
	binary.BigEndian.PutUint16(udp[6:], udpChecksum(n.packet.Src, n.packet.Group, udp))
	if err := n.sender.write(n.frame); err != nil {
		return err
	}
	n.next++
	return nil
}

// Stream is a steady flow of numbered packets.
type Stream struct {
	stop context.CancelFunc
	done chan struct{}
	sent atomic.Uint64
	err  error
}

// Stream sends p on link, rate packets a second, numbered from 0, until ctx or
// the test ends or Stop is called. When it was held off it catches up, at twice the
// rate: the kernel's queue for what comes in has room for a thousand packets
// (net.core.netdev_max_backlog), and drops the others.
func (ns *NS) Stream(ctx context.Context, link string, p Packet, rate int) *Stream {
	ns.tb.Helper()
	numbers, err := newNumbering(p, ns.sender(link), 0)
	if err == nil && rate <= 0 {
		err = fmt.Errorf("a rate of %d packets a second: expected 1 or more", rate)
	}
	if err != nil {
		ns.tb.Fatalf("netlab: stream to %v on %s: %v", p.Group, link, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &Stream{stop: cancel, done: make(chan struct{})}
	go s.run(ctx, numbers, float64(rate))
	ns.tb.Cleanup(func() { cancel(); <-s.done })
	return s
}

func (s *Stream) run(ctx context.Context, numbers *numbering, rate float64) {
	defer close(s.done)
	start := time.Now()
	pause := max(time.Millisecond, min(time.Duration(1e9/rate), 100*time.Millisecond))
	most := max(2, uint64(2*rate*pause.Seconds())) // at a time
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		due := min(uint64(time.Since(start).Seconds()*rate)+1, s.sent.Load()+most)
		for s.sent.Load() < due && ctx.Err() == nil {
			if s.err = numbers.send(); s.err != nil {
				return
			}
			s.sent.Add(1)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Stop ends the stream. It returns how many packets were sent, and the error
// that ended the stream earlier, if any.
func (s *Stream) Stop() (sent uint64, err error) {
	s.stop()
	<-s.done
	return s.sent.Load(), s.err
}

// Sent is how many packets were sent so far: those with lower numbers were, and
// the one with this number may be on its way.
func (s *Stream) Sent() uint64 { return s.sent.Load() }
