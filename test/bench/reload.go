package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

const (
	reloadRounds = 7 // of ours; the C daemon has one
	streamRate   = 2000
)

// reloads is what reloads of an unchanged file cost.
type reloads struct {
	took      series
	cut       bool // the last took longer than we have time
	rewritten int  // entries
	sent      uint64
	lost      uint64 // packets
}

// reload measures reloads of the small table, unchanged, with a stream of
// packets passing through it.
func (b *bench) reload(tb netlab.TB) []row {
	ours := b.reloads(tb, b.ours, reloadRounds)
	r := row{
		what: "reload of 10,000 unchanged lines", debian: none, bare: none, ours: short(ours.took.median()),
		ratio: none, goal: "under 1/50 of the C daemon", met: ours.took.median().Seconds() < 14.0/50,
	}
	rewritten := row{what: "entries rewritten by a reload", debian: none, bare: none,
		ours: fmt.Sprint(ours.rewritten), ratio: none, goal: "0", met: ours.rewritten == 0}
	lost := row{what: "packets lost at 2,000/s while reloading", debian: none, bare: none,
		ours: fmt.Sprintf("%d of %d", ours.lost, ours.sent), ratio: none, goal: "0", met: ours.lost == 0}
	if b.hasDebian {
		debian := b.reloads(tb, b.debian, 1)
		times := debian.took.median().Seconds() / ours.took.median().Seconds()
		over := ""
		if debian.cut {
			over = "over "
		}
		r.debian, r.ratio, r.met = over+short(debian.took.median()), fmt.Sprintf("1/%.0f of C", times), times > 50
		rewritten.debian = fmt.Sprint(debian.rewritten)
		lost.debian = fmt.Sprintf("%d of %d", debian.lost, debian.sent)
	}
	return []row{r, rewritten, lost}
}

func (b *bench) reloads(tb netlab.TB, p program.Programs, rounds int) (rs reloads) {
	r := b.router(tb, conf(small, ""))
	d := r.daemon(tb, p)
	defer d.Kill()

	capture := r.hosts.Capture("b")
	flow := netlab.Packet{Src: netip.MustParseAddr("10.0.1.1"), Group: netip.MustParseAddr("232.0.1.1")}
	stream := r.hosts.Stream(context.Background(), "a", flow, streamRate)
	sg := mroute.SG{Source: flow.Src, Group: flow.Group}
	capture.Await(sg, streamRate/10, patience)

	notices := r.notices(tb)
	for range rounds {
		took, err := d.Reload(patience)
		if rs.cut = errors.Is(err, program.ErrLate); rs.cut {
			took, err = patience, nil
		}
		if err != nil {
			tb.Fatalf("%s smcrouted: %v", p.Name, err)
		}
		rs.took = append(rs.took, took)
	}
	rs.rewritten = notices.count(tb) / rounds
	capture.Await(sg, capture.Count(sg)+streamRate/10, patience)

	sent, err := stream.Stop()
	if err != nil {
		tb.Fatalf("stream: %v", err)
	}
	// A packet behind all others tells when the last of them has arrived.
	last := netlab.Packet{Src: netip.MustParseAddr("10.0.1.2"), Group: netip.MustParseAddr("232.0.1.2")}
	r.hosts.Send("a", last)
	capture.Await(mroute.SG{Source: last.Src, Group: last.Group}, 1, patience)
	if n := capture.Dropped(); n > 0 {
		tb.Fatalf("the capture lost %d packets", n)
	}
	f := capture.Flow(netlab.In, sg)
	rs.sent, rs.lost = sent, sent-uint64(f.Distinct())
	return rs
}

// notices are what the kernel tells of changes to the table.
type notices struct{ fd int }

// notices begins to listen, to RTNLGRP_IPV4_MROUTE of rtnetlink(7).
func (r *router) notices(tb netlab.TB) *notices {
	tb.Helper()
	n := &notices{}
	err := r.Do(func() (err error) {
		if n.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(n.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20); err != nil {
			return err
		}
		return unix.Bind(n.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.RTNLGRP_IPV4_MROUTE - 1)})
	})
	if err != nil {
		tb.Fatalf("listening to RTNLGRP_IPV4_MROUTE: %v", err)
	}
	tb.Cleanup(func() { _ = unix.Close(n.fd) })
	return n
}

// count is how many entries were set since the beginning, or the last call. The
// kernel tells of a change before the call that makes it returns.
func (n *notices) count(tb netlab.TB) (set int) {
	tb.Helper()
	buf := make([]byte, 64<<10)
	for {
		size, err := unix.Read(n.fd, buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return set
		case err != nil:
			tb.Fatalf("RTNLGRP_IPV4_MROUTE: %v", err)
		}
		for b := buf[:size]; len(b) > 0; {
			var m uapi.Message
			if m, b, err = uapi.NextMessage(b); err != nil {
				tb.Fatalf("RTNLGRP_IPV4_MROUTE: %v", err)
			}
			var r uapi.Route
			if m.Type != uapi.RTMNewRoute {
				continue
			}
			if err := uapi.DecodeRoute(m.Payload, &r); err != nil {
				tb.Fatalf("RTNLGRP_IPV4_MROUTE: %v", err)
			}
			if !r.Unresolved {
				set++
			}
		}
	}
}
