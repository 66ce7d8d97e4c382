package summary

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/status"
)

// book has what is known of nodes, reports and objects. Its methods may be
// called from any goroutine.
type book struct {
	statusInterval, countersInterval time.Duration

	mu      sync.Mutex
	pace    *pace
	nodes   []status.Node // by name
	reports status.Index
	entries map[status.Object]*entry
}

// entry is what is kept of an object.
type entry struct {
	selector *metav1.LabelSelector

	stateAt    time.Time // when its status may be written
	countersAt time.Time // when it may be written for counters alone
	wakeAt     time.Time // when it is looked at next; zero: not planned
	freshUntil time.Time // until when it counts as changed by somebody a moment ago

	slot  time.Time // when it may be written at the pace of a class; zero: it has not asked
	class class
}

func newBook(statusInterval, countersInterval time.Duration, events float64) *book {
	return &book{
		statusInterval: statusInterval, countersInterval: countersInterval,
		pace:    newPace(events),
		entries: map[status.Object]*entry{},
	}
}

// settle is how long an object that changed is left alone, so that what comes
// together is looked at together.
const settle = 200 * time.Millisecond

// answer is how long the status waits for what nodes make of a new spec, which
// takes them some 0.5 s (package report). Without that, nearly each new spec's
// status would be written as pending, and the truth not before StatusInterval
// later.
const answer = 1500 * time.Millisecond

// wake plans a look at o, and calls add if there is none planned before that.
func (b *book) wake(o status.Object, e *entry, at time.Time, now time.Time, add func(status.Object, time.Duration)) {
	if !e.wakeAt.IsZero() && !at.Before(e.wakeAt) {
		return
	}
	e.wakeAt = at
	add(o, max(0, at.Sub(now)))
}

// entry returns that of o, which is made if need be. Counters of objects that are
// new to this process, as after a change of the leader, are written at any time
// in the interval, so that they do not all come together.
func (b *book) entry(o status.Object, now time.Time) *entry {
	e := b.entries[o]
	if e == nil {
		e = &entry{countersAt: now.Add(time.Duration(rand.Float64() * float64(b.countersInterval)))}
		b.entries[o] = e
	}
	return e
}

// moment is for how long after a change of an object somebody waits for its status.
const moment = time.Minute

// seen takes note of an object that was made or changed at a time.
func (b *book) seen(o status.Object, sel *metav1.LabelSelector, changed, now time.Time, add func(status.Object, time.Duration)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entry(o, now)
	e.selector = sel
	e.freshUntil = changed.Add(moment)
	e.stateAt = later(e.stateAt, now.Add(answer))
	b.wake(o, e, e.stateAt, now, add)
}

// gone forgets an object.
func (b *book) gone(o status.Object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.entries, o)
}

// report takes a node's report, or forgets it if it is nil.
func (b *book) report(node string, r *v1alpha1.MulticastNodeState, now time.Time, add func(status.Object, time.Duration)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var changes map[status.Object]status.Change
	first := r == nil || !b.reports.Has(node)
	if r == nil {
		changes = b.reports.Remove(node)
	} else {
		changes = b.reports.Set(r, now)
	}
	for o, change := range changes {
		e := b.entries[o]
		switch {
		case e == nil:
		case change == status.StateChanged:
			b.wake(o, e, later(e.stateAt, now.Add(settle)), now, add)
		default:
			b.wake(o, e, later(e.countersAt, now.Add(settle)), now, add)
		}
	}
	if i, ok := b.find(node); first && ok {
		// It is new that the node has an agent, or that it has none.
		b.wakeSelected(now, add, b.nodes[i])
	}
}

// node takes note of a node that was made or changed, or is gone if n is nil.
func (b *book) node(name string, n *status.Node, now time.Time, add func(status.Object, time.Duration)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := b.find(name)
	var which []status.Node
	if ok {
		which = append(which, b.nodes[i])
	}
	switch {
	case n == nil && ok:
		b.nodes = slices.Delete(b.nodes, i, i+1)
	case n != nil && ok:
		b.nodes[i] = *n
		which = append(which, *n)
	case n != nil:
		b.nodes = slices.Insert(b.nodes, i, *n)
		which = append(which, *n)
	}
	b.wakeSelected(now, add, which...)
}

func (b *book) find(name string) (int, bool) {
	return slices.BinarySearchFunc(b.nodes, name, func(n status.Node, name string) int { return cmp.Compare(n.Name, name) })
}

// wakeSelected wakes the objects that select one of the nodes.
func (b *book) wakeSelected(now time.Time, add func(status.Object, time.Duration), nodes ...status.Node) {
	for o, e := range b.entries {
		at := later(e.stateAt, now.Add(settle))
		if !e.wakeAt.IsZero() && !at.Before(e.wakeAt) {
			continue
		}
		selects := func(n status.Node) bool { return status.Selects(e.selector, n) }
		if slices.ContainsFunc(nodes, selects) {
			b.wake(o, e, at, now, add)
		}
	}
}

// begin begins a round for an object: whatever changes from now on wakes it
// anew, be it the object itself, which is read after this.
func (b *book) begin(o status.Object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.entries[o]; e != nil {
		e.wakeAt = time.Time{}
	}
}

// look calls f with the nodes and reports, and returns when the object's status
// may be written.
func (b *book) look(o status.Object, now time.Time, f func([]status.Node, *status.Index)) (stateAt, countersAt time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entry(o, now)
	f(b.nodes, &b.reports)
	return e.stateAt, e.countersAt
}

// turn returns when a status that is due may be written at the pace of all, now or
// later. It keeps its turn, unless a more urgent reason gives it an earlier one.
func (b *book) turn(o status.Object, c class, now time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entry(o, now)
	if c == state && now.Before(e.freshUntil) {
		c = fresh
	}
	if e.slot.IsZero() || c < e.class && now.Before(e.slot) {
		at := b.pace.reserve(c, b.reports.Len(), now)
		if e.slot.IsZero() || at.Before(e.slot) {
			e.slot = at
		}
		e.class = c
	}
	return e.slot
}

// wrote takes note of a write.
func (b *book) wrote(o status.Object, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.entries[o]; e != nil {
		e.stateAt, e.countersAt = now.Add(b.statusInterval), now.Add(b.countersInterval)
		e.slot = time.Time{}
	}
}

// planned takes note that an object will be looked at again. It is not if that
// is the zero time.
func (b *book) planned(o status.Object, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.entries[o]; e != nil && !at.IsZero() && (e.wakeAt.IsZero() || at.Before(e.wakeAt)) {
		e.wakeAt = at
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
