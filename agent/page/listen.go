package page

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/netutil"
)

// Bounds on what clients can take.
const (
	maxConnections = 64
	maxHeader      = 16 << 10 // bytes
	requestTime    = 5 * time.Second
	answerTime     = 2 * time.Minute // findings take a while, and so does a slow client
	idleTime       = time.Minute
)

// ParseAddr reads where a page is to be served: a loopback address or
// "localhost", and a port. Nothing is asked for a name.
func ParseAddr(addr string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is not an address and a port: expected one as 127.0.0.1:8473", addr)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q has no port: expected a number of 0 to 65535 after the address", addr)
	}
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1"
	}
	a, err := netip.ParseAddr(host)
	if err != nil || a.Zone() != "" || !a.Unmap().IsLoopback() {
		return netip.AddrPort{}, fmt.Errorf("%q is not of this machine alone: the page asks nobody who they are, so expected a loopback address, as 127.0.0.1:%d or [::1]:%d", addr, n, n)
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), nil
}

// Listen listens at an address as [ParseAddr] takes it. Of config Control may be
// set.
func Listen(ctx context.Context, config net.ListenConfig, addr string) (net.Listener, error) {
	at, err := ParseAddr(addr)
	if err != nil {
		return nil, err
	}
	return config.Listen(ctx, "tcp", at.String())
}

// Serve serves h until ctx is done, and returns nil then. It closes l.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: requestTime,
		ReadTimeout:       requestTime,
		WriteTimeout:      answerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(netutil.LimitListener(l, maxConnections)); ctx.Err() == nil {
		return err
	}
	return nil
}
