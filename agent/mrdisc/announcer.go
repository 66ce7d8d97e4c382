package mrdisc

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Options of an [Announcer].
type Options struct {
	Interval time.Duration   // between advertisements: 4 s to 180 s, whole seconds; 0: 20 s
	NetNS    string          // path of the network namespace; "": that of the process
	Logger   *slog.Logger    // nil: no messages
	Families []mroute.Family // nil: both

	// Silent reports at the end of Run whether no Termination is sent, because
	// another process goes on for this one. nil: never.
	Silent func() bool
}

// Announcer advertises this host as a multicast router on a set of interfaces.
// Its methods may be called from any goroutine.
type Announcer struct {
	interval time.Duration
	families []mroute.Family
	log      *slog.Logger
	silent   func() bool
	open     func(mroute.Link, mroute.Family) (conn, error)
	random   func() float64

	mu      sync.Mutex
	links   []mroute.Link
	refresh bool
	wake    chan struct{} // holds one token when links or refresh changed
}

// New returns an Announcer that announces nowhere yet. An interval outside the
// limits is brought to the nearer one.
func New(o Options) *Announcer {
	a := &Announcer{
		interval: o.Interval,
		families: o.Families,
		log:      o.Logger,
		silent:   o.Silent,
		random:   rand.Float64,
		wake:     make(chan struct{}, 1),
	}
	a.open = func(l mroute.Link, f mroute.Family) (conn, error) { return openSocket(o.NetNS, l, f) }
	if a.interval == 0 {
		a.interval = DefaultInterval
	}
	a.interval = min(max(a.interval.Truncate(time.Second), MinInterval), MaxInterval)
	if a.families == nil {
		a.families = mroute.Families[:]
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	return a
}

// Set says on which interfaces to announce: all of them, each time. Interfaces
// that left the set get a Termination, new ones and those that came up an
// initial burst. It does not block, and may be called before Run.
func (a *Announcer) Set(links []mroute.Link) {
	a.mu.Lock()
	a.links = slices.Clone(links)
	a.mu.Unlock()
	a.poke()
}

// Refresh announces on all interfaces at once, as is done on a reload. It does
// not block.
func (a *Announcer) Refresh() {
	a.mu.Lock()
	a.refresh = true
	a.mu.Unlock()
	a.poke()
}

func (a *Announcer) poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// speaker is one interface in one family.
type speaker struct {
	link     mroute.Link
	family   mroute.Family
	schedule schedule
	conn     conn  // nil until it could be opened
	trouble  error // of the last attempt
}

type speakerKey struct {
	ifindex int
	family  mroute.Family
}

// Run announces until ctx is done. It then sends a Termination on each
// interface, unless it is silent at its end, and returns nil.
func (a *Announcer) Run(ctx context.Context) error {
	speakers := make(map[speakerKey]*speaker)
	solicited := make(chan *speaker)
	stop := make(chan struct{})
	var receivers sync.WaitGroup
	defer receivers.Wait()
	defer close(stop)

	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			end := a.terminate
			if a.silent != nil && a.silent() {
				end = (*speaker).close
			}
			for _, s := range speakers {
				end(s)
			}
			return nil
		case <-a.wake:
			a.update(speakers, time.Now())
		case s := <-solicited:
			s.schedule.solicited(time.Now())
		case <-timer.C:
		}
		for _, s := range speakers {
			if s.schedule.next.After(time.Now()) {
				continue
			}
			if a.connect(s) {
				receivers.Go(func() { receive(s, s.conn, solicited, stop) })
			}
			a.announce(s)
		}
		timer.Reset(time.Until(earliest(speakers)))
	}
}

// update makes speakers those of the last Set.
func (a *Announcer) update(speakers map[speakerKey]*speaker, now time.Time) {
	a.mu.Lock()
	links, refresh := a.links, a.refresh
	a.refresh = false
	a.mu.Unlock()

	wanted := make(map[speakerKey]bool)
	for _, link := range links {
		for _, f := range a.families {
			key := speakerKey{link.Index, f}
			wanted[key] = true
			s, ok := speakers[key]
			if !ok {
				s = &speaker{family: f, schedule: schedule{interval: a.interval, random: a.random}}
				speakers[key] = s
			}
			if cameUp := link.Up && !s.link.Up; !ok || cameUp {
				s.schedule.start(now)
			} else if refresh {
				s.schedule.refresh(now)
			}
			s.link = link
		}
	}
	for key, s := range speakers {
		if !wanted[key] {
			a.terminate(s)
			delete(speakers, key)
		}
	}
}

// connect opens the socket of s if it has none, and reports whether it did.
func (a *Announcer) connect(s *speaker) bool {
	if s.conn != nil {
		return false
	}
	c, err := a.open(s.link, s.family)
	if err != nil {
		a.failed(s, err)
		return false
	}
	s.conn = c
	return true
}

// announce sends an advertisement, if the socket is there.
func (a *Announcer) announce(s *speaker) {
	if s.conn == nil {
		return
	}
	// The interval is the configured one in each message, the first included.
	if err := s.conn.Send(Message{Type: Advertisement, Interval: uint8(a.interval / time.Second)}); err != nil {
		a.failed(s, err)
		return
	}
	s.trouble = nil
	s.schedule.sent(time.Now())
	a.log.Debug("Multicast router advertisement sent", "interface", s.link.Name, "family", s.family)
}

// failed logs a change of trouble, and plans another attempt.
func (a *Announcer) failed(s *speaker, err error) {
	s.schedule.failed(time.Now())
	known := s.trouble != nil && errors.Is(err, rootErrno(s.trouble))
	s.trouble = err
	switch {
	case known:
	case transient(err):
		a.log.Debug("Cannot announce this multicast router yet", "interface", s.link.Name, "family", s.family, "error", err)
	default:
		a.log.Warn("Cannot announce this multicast router", "interface", s.link.Name, "family", s.family, "error", err)
	}
}

// terminate says goodbye on s, if it ever tried to announce, and closes it.
func (a *Announcer) terminate(s *speaker) {
	if s.conn == nil {
		return
	}
	if err := s.conn.Send(Message{Type: Termination}); err != nil {
		a.log.Debug("Multicast router termination not sent", "interface", s.link.Name, "family", s.family, "error", err)
	}
	s.close()
}

func (s *speaker) close() {
	if s.conn != nil {
		s.conn.Close()
	}
}

// receive hands solicitations on until c is closed.
func receive(s *speaker, c conn, solicited chan<- *speaker, stop <-chan struct{}) {
	for {
		m, err := c.Receive()
		if err != nil {
			return
		}
		if m.Type != Solicitation {
			continue
		}
		select {
		case solicited <- s:
		case <-stop:
			return
		}
	}
}

// earliest is when the next advertisement is due. Without speakers it is far
// away.
func earliest(speakers map[speakerKey]*speaker) time.Time {
	at := time.Now().Add(MaxInterval)
	for _, s := range speakers {
		if s.schedule.next.Before(at) {
			at = s.schedule.next
		}
	}
	return at
}

// rootErrno is the errno in err, or err itself.
func rootErrno(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// transient reports whether err goes away by itself when the interface gets up,
// gets an address, or when its removal is noticed; or is nothing to tell about,
// as on a kernel without IPv6.
func transient(err error) bool {
	return slices.ContainsFunc([]error{
		unix.ENETUNREACH, unix.ENETDOWN, unix.EADDRNOTAVAIL, unix.EHOSTUNREACH,
		unix.ENODEV, unix.ENXIO, unix.EAFNOSUPPORT,
	}, func(e error) bool { return errors.Is(err, e) })
}
