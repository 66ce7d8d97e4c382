package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// sending is the flow to one group.
type sending struct {
	group  netip.Addr
	conn   *net.UDPConn
	source netip.AddrPort
	sent   uint64
}

// send sends packets to each group until it is done.
func send(ctx context.Context, o *options, out *printer) error {
	var flows []*sending
	defer func() {
		for _, f := range flows {
			_ = f.conn.Close()
		}
	}()
	for _, group := range o.groups {
		conn, err := dial(ctx, group, o)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		f := &sending{group: group, conn: conn, source: addrPort(conn.LocalAddr())}
		flows = append(flows, f)
		out.note("sending from %v to %v%s, port %d, TTL %d", f.source.Addr(), group, o.where(), o.port, o.ttl)
	}
	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	err := pace(ctx, o, flows, out)
	out.sent(reportSent(flows, o, true))
	return err
}

// pace sends at the rate that is asked for, and catches up when it was held
// off.
func pace(ctx context.Context, o *options, flows []*sending, out *printer) error {
	body := payload(o.size)
	start := time.Now()
	shown := start
	tick := time.NewTicker(max(time.Millisecond, min(time.Second/time.Duration(o.rate), 100*time.Millisecond)))
	defer tick.Stop()
	for sent := uint64(0); ; {
		due := uint64(time.Since(start).Seconds()*float64(o.rate)) + 1
		for ; sent < due && ctx.Err() == nil; sent++ {
			if o.count > 0 && sent == o.count {
				return nil
			}
			setNumber(body, sent)
			for _, f := range flows {
				if _, err := f.conn.Write(body); err != nil {
					return fmt.Errorf("sending to %v%s: %w", f.group, o.where(), cause(err))
				}
				f.sent++
			}
		}
		if now := time.Now(); now.Sub(shown) >= every {
			shown = now
			out.sent(reportSent(flows, o, false))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func reportSent(flows []*sending, o *options, final bool) sentReport {
	r := sentReport{Final: final}
	for _, f := range flows {
		r.Flows = append(r.Flows, sentFlow{
			Source: f.source.Addr(), SourcePort: f.source.Port(), Group: f.group,
			Packets: f.sent, Bytes: f.sent * uint64(o.size), TTL: o.ttl,
		})
	}
	return r
}
