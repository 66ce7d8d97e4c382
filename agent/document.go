package agent

import (
	"context"
	"io"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
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

// writeState writes what a router says, as it says it. change changes what is not about
// flows; nil: nothing.
func writeState(ctx context.Context, to io.Writer, about view.About, head view.Head, ask surveyFunc, change func(*view.State)) error {
	done, err := turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	defer frugal()()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w, rows := view.NewWriter(to, head), 0
	check := func(n int) {
		rows += n
		if err := w.Err(); err != nil {
			cancel(err) // nobody reads it
		}
	}
	defer func() { GiveBackAfter(rows) }()
	snap, err := ask(ctx, mroute.Survey{
		About: about.Flows(), Whole: true,
		Rules:   func(_ time.Time, rules []mroute.RuleView) { w.Rules(rules); check(len(rules)) },
		Entries: func(_ time.Time, entries []mroute.EntryView) { w.Flows(entries); check(len(entries)) },
	})
	if err != nil {
		return err
	}
	return w.End(snap, change)
}
