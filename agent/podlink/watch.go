package podlink

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	// settle is the least time between two values of Changes: the first change
	// is told at once, the rest of a burst together.
	settle = 200 * time.Millisecond

	// First and longest pause before a subscription that failed is made again.
	firstPause = time.Second
	lastPause  = time.Minute
)

// subscription is the receiving end of rtnetlink's notifications.
type subscription interface {
	Receive() ([]syscall.NetlinkMessage, *unix.SockaddrNetlink, error)
	Close() // ends Receive
}

// openSubscription subscribes to all that a look-up depends on. Routes of IPv4
// vanish with their link without a word of their own.
func (l *Lookup) openSubscription() (sub subscription, err error) {
	err = l.ns.Do(func() error {
		sub, err = nl.Subscribe(unix.NETLINK_ROUTE,
			unix.RTNLGRP_LINK,
			unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
			unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE,
			unix.RTNLGRP_NEXTHOP)
		return err
	})
	return sub, err
}

// Run hears of changes until ctx is done, and returns nil then. What may have
// changed while it could not hear counts as a change, the time before Run too.
func (l *Lookup) Run(ctx context.Context) error {
	heard := make(chan struct{}, 1)
	listened := make(chan struct{})
	go func() {
		defer close(listened)
		l.listen(ctx, heard)
	}()
	defer func() { <-listened }()
	for {
		select {
		case <-heard:
			offer(l.changes)
		case <-ctx.Done():
			return nil
		}
		if !sleep(ctx, settle) {
			return nil
		}
	}
}

// listen keeps a subscription open.
func (l *Lookup) listen(ctx context.Context, heard chan<- struct{}) {
	var pause time.Duration
	for ctx.Err() == nil {
		began := time.Now()
		sub, err := l.subscribe()
		if err == nil {
			offer(heard)
			err = hear(ctx, sub, heard)
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) >= lastPause {
			pause = 0
		}
		if pause == 0 {
			l.log.Warn("Changes of routes cannot be heard of, this is tried again: " + err.Error())
		}
		pause = min(max(2*pause, firstPause), lastPause)
		if !sleep(ctx, pause) {
			return
		}
	}
}

// hear reads one subscription until it fails. It never waits for anybody, so
// that the socket has room.
func hear(ctx context.Context, sub subscription, heard chan<- struct{}) error {
	stop := context.AfterFunc(ctx, sub.Close)
	defer func() {
		if stop() {
			sub.Close()
		}
	}()
	for {
		_, _, err := sub.Receive()
		if err != nil && !errors.Is(err, unix.ENOBUFS) { // that is lost changes
			return err
		}
		offer(heard)
	}
}

// offer leaves a token, unless one is there already.
func offer(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// sleep waits, and reports whether it was let.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
