package podns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// ErrNotReady is that a pod has no ready sandbox or no address yet: it is worth
// asking again soon.
var ErrNotReady = errors.New("not ready yet")

// Options of a Finder.
type Options struct {
	// Endpoint is the runtime's socket, as a path or as unix:///path. If empty it
	// is the first of [DefaultEndpoints] that exists when it is needed.
	Endpoint string

	// Timeout is how long one question to the runtime may take; 5 s if 0.
	Timeout time.Duration

	// Recheck is how long an answer of the runtime is good for, as long as its
	// namespace is there; 10 s if 0.
	Recheck time.Duration
}

// Finder finds the network namespaces of pods. Its methods may be called from
// any goroutine.
type Finder struct {
	timeout, recheck time.Duration
	own              string // "device:inode" of the namespace of the process
	conn             *grpc.ClientConn
	runtime          cri.RuntimeServiceClient

	mu    sync.Mutex
	known map[string]found // by UID of the pod
}

// found is an answer that was right at a time.
type found struct {
	place  mroute.Place
	ips    []netip.Addr
	asked  time.Time // when the runtime said so
	wanted time.Time // when Find was last called for it
}

// forgetAfter is how long a pod is remembered that nobody asks for.
const forgetAfter = 10 * time.Minute

// New returns a Finder. The runtime need not be there yet.
func New(o Options) (*Finder, error) {
	own, err := identify("")
	if err != nil {
		return nil, err
	}
	conn, err := dial(o.Endpoint)
	if err != nil {
		return nil, err
	}
	f := &Finder{
		timeout: o.Timeout, recheck: o.Recheck,
		own:   own,
		conn:  conn,
		known: map[string]found{},
	}
	f.runtime = cri.NewRuntimeServiceClient(conn)
	if f.timeout == 0 {
		f.timeout = 5 * time.Second
	}
	if f.recheck == 0 {
		f.recheck = 10 * time.Second
	}
	return f, nil
}

// Close ends the connection to the runtime.
func (f *Finder) Close() error { return f.conn.Close() }

// Find returns the network namespace of the pod with this UID and these
// addresses, as a path and a "device:inode" that tells it from a later one
// there. The table is left at 0.
//
// The error is a sentence for the pod's owner or the node's administrator. It
// wraps [ErrNotReady] if the pod is only too young.
func (f *Finder) Find(ctx context.Context, podUID string, ips []netip.Addr) (mroute.Place, error) {
	if len(ips) == 0 {
		return mroute.Place{}, fmt.Errorf("the pod has no address: %w", ErrNotReady)
	}
	now := time.Now()
	if place, ok := f.recall(podUID, ips, now); ok {
		return place, nil
	}
	box, err := f.sandbox(ctx, podUID)
	if err != nil {
		f.forget(podUID)
		return mroute.Place{}, err
	}
	place, err := f.choose(box, ips)
	if err != nil {
		f.forget(podUID)
		return mroute.Place{}, fmt.Errorf("pod %s: %w", box.pod, err)
	}
	f.remember(podUID, found{place: place, ips: slices.Clone(ips), asked: now, wanted: now})
	return place, nil
}

// choose takes the first namespace of a sandbox that is there.
func (f *Finder) choose(box sandbox, ips []netip.Addr) (mroute.Place, error) {
	var missing error
	for _, path := range box.paths {
		id, err := f.examine(path, ips)
		switch {
		case err == nil:
			return mroute.Place{NetNS: path, ID: id}, nil
		case !isMissing(err):
			return mroute.Place{}, err
		}
		if missing == nil {
			missing = err
		}
	}
	if missing == nil {
		return mroute.Place{}, errors.New("the container runtime names no network namespace of it")
	}
	return mroute.Place{}, fmt.Errorf("%w; /run/netns of the node has to be mounted at the same path, with mountPropagation HostToContainer", missing)
}

// recall returns what is known, if it is fresh and the namespace is still the
// one at that path.
func (f *Finder) recall(podUID string, ips []netip.Addr, now time.Time) (mroute.Place, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, ok := f.known[podUID]
	if !ok || now.Sub(k.asked) >= f.recheck || !slices.Equal(k.ips, ips) {
		return mroute.Place{}, false
	}
	if id, err := identify(k.place.NetNS); err != nil || id != k.place.ID {
		return mroute.Place{}, false
	}
	k.wanted = now
	f.known[podUID] = k
	return k.place, true
}

func (f *Finder) remember(podUID string, k found) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for uid, old := range f.known {
		if k.wanted.Sub(old.wanted) > forgetAfter {
			delete(f.known, uid)
		}
	}
	f.known[podUID] = k
}

func (f *Finder) forget(podUID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.known, podUID)
}
