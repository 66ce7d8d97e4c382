package agent

import (
	"context"
	"io"
	"time"

	"github.com/smcroute/kube-smcroute/agent/heap"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/show"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// atATime is how many documents and listings of routers are made at a time. A large one
// takes some memory; whoever asks for more waits.
const atATime = 2

var turns = make(chan struct{}, atATime)

// turn waits for room to make a document, and has it until done is called.
func turn(ctx context.Context) (done func(), err error) {
	select {
	case turns <- struct{}{}:
		return func() { <-turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// surveyFunc asks a router.
type surveyFunc func(context.Context, mroute.Survey) (*mroute.Snapshot, error)

// writer writes what a router says, some at a time.
type writer interface {
	Rules([]mroute.RuleView)
	Entries([]mroute.EntryView)
	Err() error // the first there was
}

var (
	_ writer = (*view.Writer)(nil)
	_ writer = (*show.RoutesWriter)(nil)
)

// written goes over a router, as far as is asked for, and has all rules and entries
// written. The rest is the caller's to write.
func written(ctx context.Context, w writer, ask surveyFunc, asked mroute.Survey) (*mroute.Snapshot, error) {
	done, err := turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	defer heap.Frugal()()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	rows := 0
	defer func() { GiveBackAfter(rows) }()
	check := func(n int) {
		rows += n
		if err := w.Err(); err != nil {
			cancel(err) // nobody reads it
		}
	}
	asked.Rules = func(_ time.Time, rules []mroute.RuleView) { w.Rules(rules); check(len(rules)) }
	asked.Entries = func(_ time.Time, entries []mroute.EntryView) { w.Entries(entries); check(len(entries)) }
	return ask(ctx, asked)
}

// writeState writes what a router says about some flows as a document. change changes
// what is not about flows; nil: nothing.
func writeState(ctx context.Context, to io.Writer, about view.About, head view.Head, ask surveyFunc, change func(*view.State)) error {
	w := view.NewWriter(to, head)
	snap, err := written(ctx, w, ask, mroute.Survey{About: about.Flows(), Whole: true})
	if err != nil {
		return err
	}
	return w.End(snap, change)
}
