package page

import (
	"context"
	"sync"
	"time"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// reading is the state of all routers at one time. It is immutable, but for the
// histories, which go on to the next one.
type reading struct {
	seq     uint64
	gap     time.Duration // until the next one
	routers []*router
}

// router is a router in a reading.
type router struct {
	name    string
	at      time.Time
	table   *table
	err     error // why it could not be read
	history *history
}

// newReading reads all routers at once. What is known of pods is of the node, which is the
// first of them. Histories are those of the reading before.
func newReading(ctx context.Context, all []Router, pods Pods, histories map[string]*history) *reading {
	r := &reading{routers: make([]*router, len(all))}
	var wg sync.WaitGroup
	for i, one := range all {
		now := &router{name: one.Name, history: histories[one.Name]}
		if now.history == nil {
			now.history = &history{}
		}
		r.routers[i] = now
		of := Pods{}
		if i == 0 {
			of = pods
		}
		wg.Go(func() { now.read(ctx, one, of) })
	}
	wg.Wait()
	return r
}

// read reads it.
func (r *router) read(ctx context.Context, from Router, pods Pods) {
	found, state, err := gather(ctx, from, r.history)
	if err != nil {
		r.err, r.table = err, newTable(&streams{}, &view.State{}, Pods{})
		return
	}
	r.at, r.table = state.Time, newTable(found, state, pods)
}

// histories are those of its routers, by name.
func (r *reading) histories() map[string]*history {
	if r == nil {
		return nil
	}
	all := make(map[string]*history, len(r.routers))
	for _, one := range r.routers {
		all[one.name] = one.history
	}
	return all
}

// number is that of a reading; of none it is 0.
func (r *reading) number() uint64 {
	if r == nil {
		return 0
	}
	return r.seq
}

// router finds one by name; "" is the first. It may be nil.
func (r *reading) router(name string) *router {
	for _, one := range r.routers {
		if one.name == name || name == "" {
			return one
		}
	}
	return nil
}
