// Package podlink finds a node's own links towards addresses of pods: the veth
// of the pod, or the bridge that it is behind. Whatever plug-in has made them,
// the kernel's routes lead there; so nothing needs to be known of the plug-in,
// and nothing of the pod but its address.
package podlink

import (
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/netns"
)

// timeout is how long the kernel may take for an answer. It has it at once.
const timeout = 5 * time.Second

// Options configure a Lookup.
type Options struct {
	NetNS  string       // path of the node's network namespace; "": that of the process
	Logger *slog.Logger // for Run
}

// Lookup asks the routes of one network namespace. Its methods may be called
// from any goroutine.
type Lookup struct {
	ns      *netns.Namespace
	routes  *netlink.Handle
	log     *slog.Logger
	changes chan struct{}

	subscribe func() (subscription, error)
}

// New opens a Lookup.
func New(o Options) (*Lookup, error) {
	ns, err := netns.Open(o.NetNS)
	if err != nil {
		return nil, err
	}
	l := &Lookup{ns: ns, log: o.Logger, changes: make(chan struct{}, 1)}
	l.subscribe = l.openSubscription
	err = ns.Do(func() (err error) {
		l.routes, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err == nil {
		err = l.routes.SetSocketTimeout(timeout)
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("route look-ups: %w", err)
	}
	return l, nil
}

// Close ends the use of l, which no method may be called on any more. Run must
// have returned.
func (l *Lookup) Close() {
	if l.routes != nil {
		l.routes.Close()
	}
	l.ns.Close()
}

// Link is a round of one look-up.
func (l *Lookup) Link(addr netip.Addr) (name string, index int, err error) {
	return l.Round()(addr)
}

// Round returns a function for look-ups that belong together: it asks for the
// node's default routes once. Only one goroutine may call it.
//
// It returns the link through which packets from the node itself leave to addr,
// if that is the link on which addr lives. The error says, as a sentence, why
// there is none: because addr is reached through a gateway, or by the default
// route, or not at all, or is the node's own.
//
// All routing tables and rules count, as they do for the node's own packets
// without a mark.
func (l *Lookup) Round() func(addr netip.Addr) (name string, index int, err error) {
	r := round{Lookup: l}
	r.uplinks = sync.OnceValue(l.defaultLinks)
	return r.link
}

// round is the state of a Round.
type round struct {
	*Lookup
	uplinks func() []int // by index
}

func (l *round) link(addr netip.Addr) (name string, index int, err error) {
	addr = addr.Unmap()
	if err := checkAddr(addr); err != nil {
		return "", 0, err
	}
	// FIBMatch (RTM_F_FIB_MATCH, since Linux 4.13) gives the route as it is
	// in its table, with its prefix: else a default route would look like one
	// to addr alone.
	routes, err := l.routes.RouteGetWithOptions(addr.AsSlice(), &netlink.RouteGetOptions{FIBMatch: true})
	if err != nil {
		return "", 0, noRoute(addr, err)
	}
	if len(routes) != 1 {
		return "", 0, fmt.Errorf("the look-up of %v gives %d routes: expected one", addr, len(routes))
	}
	return l.judge(addr, &routes[0])
}

// Changes has a value when Link may answer differently from before, while Run
// runs. Many changes make one value. It has one receiver.
func (l *Lookup) Changes() <-chan struct{} { return l.changes }
