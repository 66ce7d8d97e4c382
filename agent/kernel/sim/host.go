package sim

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Host is a network namespace: links, routing tables, and the programs that
// have them open. Methods that name a link panic if there is none of that
// name: that is a mistake in the test.
type Host struct {
	mu      sync.Mutex
	now     time.Time
	links   []mroute.Link // by index
	next    int           // ifindex of the next new link
	tables  []*table      // never freed, as in the kernel
	kernels []*Kernel     // open ones, in order of opening
	left    []*Kernel     // ended ones, whose sockets the keeper holds
	sent    map[departure]int
	lacks   [2]bool // by slot
	limit   int     // of memberships, 0: none
	fail    func(mroute.Op) error
}

// departure is a flow that leaves through a link.
type departure struct {
	link int
	sg   mroute.SG
}

// New returns a namespace that has only its loopback, at an arbitrary time.
func New() *Host {
	h := &Host{
		now:  time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		next: 1,
		sent: map[departure]int{},
	}
	h.insert(mroute.Link{Name: "lo", Up: true, Loopback: true})
	return h
}

// Now is the latest time that the host was told of.
func (h *Host) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// Advance moves time on by d.
func (h *Host) Advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock(h.now.Add(d))
}

// clock moves time on to now, never back, and forgets waiting packets whose
// time is over.
func (h *Host) clock(now time.Time) {
	if !now.After(h.now) {
		return
	}
	h.now = now
	for _, t := range h.tables {
		t.expire(now)
	}
}

// Fail has every later op asked for its error first: an op for which f returns
// one changes nothing. The error is given as *kernel.Error; f may return one,
// or a sentinel or errno, which is wrapped. A nil f ends it. f must not call
// methods of the host.
func (h *Host) Fail(f func(op mroute.Op) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fail = f
}

// Lack makes later calls of Open find no support for the family in the kernel,
// as if its module were not there.
func (h *Host) Lack(f mroute.Family) { h.support(f, false) }

// Support undoes Lack.
func (h *Host) Support(f mroute.Family) { h.support(f, true) }

func (h *Host) support(f mroute.Family, has bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lacks[slot(f)] = !has
}

// LimitMemberships makes joins beyond n of one program fail, as the kernel's
// option memory does in the end. 0 is no limit.
func (h *Host) LimitMemberships(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.limit = n
}

// Clone copies the host and the programs on it, whose copies Kernels lists.
// A Watch of the original does not see the copy.
func (h *Host) Clone() *Host {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &Host{
		now:   h.now,
		links: slices.Clone(h.links),
		next:  h.next,
		sent:  maps.Clone(h.sent),
		lacks: h.lacks,
		limit: h.limit,
		fail:  h.fail,
	}
	copies := map[*table]*table{}
	for _, t := range h.tables {
		copies[t] = t.clone()
		c.tables = append(c.tables, copies[t])
	}
	clone := func(k *Kernel) *Kernel {
		twin := k.clone(c)
		for i, t := range k.tables {
			if t != nil {
				twin.tables[i] = copies[t]
				if t.owner == k {
					twin.tables[i].owner = twin
				}
			}
		}
		return twin
	}
	for _, k := range h.kernels {
		c.kernels = append(c.kernels, clone(k))
	}
	for _, k := range h.left {
		c.left = append(c.left, clone(k))
	}
	return c
}

// programs lists those whose sockets are open: by themselves or by the keeper.
func (h *Host) programs() []*Kernel { return slices.Concat(h.kernels, h.left) }

// Kernels lists the open handles, in order of opening.
func (h *Host) Kernels() []*Kernel {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.kernels)
}
