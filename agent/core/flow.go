package core

import (
	"iter"
	"net/netip"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// flow is where packets of an (S,G) that no exact rule claims arrive.
type flow struct {
	sg         mroute.SG
	prev, next *flow // of the same group
	ifindex    int

	news  bool // not yet reported in a FlowsChanged
	moved bool // the entry was somewhere else before
	apart bool // it keeps an entry of its own beside a (*,G) one
	waits bool // the kernel has no answer yet: see admit
	noted bool // count and notedAt are set

	class        class
	older, newer *flow  // of the same class
	shares       *share // rules with a limit that it counts for
	refusedBy    *quota // why it has a stop filter instead of an entry

	count   uint64
	notedAt time.Time
}

// class is what a flow has come to.
type class uint8

const (
	noClass      class = iota // it is none of the router's
	classOther                // an exact rule has claimed it, or nothing was set yet
	classLearned              // a learned entry
	classStopped              // a stop filter
	classes
)

// addFlow notes a flow, or where it has moved to.
func (t *table) addFlow(sg mroute.SG, ifindex int) *flow {
	if f := t.flows.Get(sg); f != nil {
		f.ifindex, f.news = ifindex, true
		f.moved, f.apart, f.waits, f.noted = false, false, false, false
		return f
	}
	f := &flow{sg: sg, ifindex: ifindex, news: true, next: t.groups[sg.Group]}
	if f.next != nil {
		f.next.prev = f
	}
	t.groups[sg.Group] = f
	t.flows.Set(sg, f)
	t.limits.charge(f, classOther, nil)
	return f
}

func (t *table) dropFlow(sg mroute.SG) {
	f := t.flows.Get(sg)
	if f == nil {
		return
	}
	t.limits.charge(f, noClass, nil)
	t.limits.relent(f)
	t.flows.Delete(sg)
	if f.next != nil {
		f.next.prev = f.prev
	}
	switch {
	case f.prev != nil:
		f.prev.next = f.next
	case f.next != nil:
		t.groups[sg.Group] = f.next
	default:
		delete(t.groups, sg.Group)
	}
}

// flowsOf goes over the flows of a group.
func (t *table) flowsOf(group netip.Addr) iter.Seq[mroute.SG] {
	return func(yield func(mroute.SG) bool) {
		for f := t.groups[group]; f != nil && yield(f.sg); f = f.next {
		}
	}
}

// arrival is the ifindex on which packets of sg are known to arrive, or 0.
func (t *table) arrival(sg mroute.SG) int {
	if f := t.flows.Get(sg); f != nil {
		return f.ifindex
	}
	return 0
}

// idleFor is for how long the flow's packets have not been counted, as far as is
// known. If the kernel does not tell, that is since the first visit which found
// the count that it still has.
func (f *flow) idleFor(c mroute.Counters, now time.Time) time.Duration {
	if c.Idle >= 0 {
		return c.Idle
	}
	return f.unchanged(c, now)
}

// unchanged notes the flow's count, and returns for how long it is known to have
// been this one: -1 if it was not noted before.
func (f *flow) unchanged(c mroute.Counters, now time.Time) time.Duration {
	count := c.Packets - c.WrongIf
	if f.noted && f.count == count {
		return now.Sub(f.notedAt)
	}
	f.noted, f.count, f.notedAt = true, count, now
	return -1
}

// queue is flows of one class, in the order in which they joined it.
type queue struct{ oldest, newest *flow }

func (q *queue) add(f *flow) {
	f.older, f.newer = q.newest, nil
	if q.newest != nil {
		q.newest.newer = f
	} else {
		q.oldest = f
	}
	q.newest = f
}

func (q *queue) remove(f *flow) {
	if f.older != nil {
		f.older.newer = f.newer
	} else {
		q.oldest = f.newer
	}
	if f.newer != nil {
		f.newer.older = f.older
	} else {
		q.newest = f.older
	}
	f.older, f.newer = nil, nil
}
