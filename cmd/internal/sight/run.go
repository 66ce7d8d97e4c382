package sight

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/smcroute/kube-smcroute/agent/draw"
)

// Run is a verb at work.
type Run struct {
	Options
	Filter draw.Filter
	Style  draw.Style
	Stdin  io.Reader
	Stdout io.Writer

	// Look asks the routers. An error is that none could be asked; from the second
	// look on it is shown, and asked again.
	Look func(ctx context.Context) ([]draw.Router, error)
}

// Do carries out v until all is printed, ctx is done or, in a terminal, a person
// has had enough. That ctx is done is no error.
func (r *Run) Do(ctx context.Context, v Verb) error {
	var err error
	switch v {
	case Top:
		err = r.top(ctx)
	case Watch:
		err = r.watch(ctx)
	default:
		err = r.once(ctx, v)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// look is what there is to see after now and before.
func (r *Run) look(now, before []draw.Router) *draw.Look {
	return &draw.Look{Now: now, Before: before, Filter: r.Filter, Silent: seconds(r.silent)}
}

func (r *Run) once(ctx context.Context, v Verb) error {
	now, err := r.Look(ctx)
	if err != nil {
		return err
	}
	var before []draw.Router
	if r.rate > 0 {
		before = now
		if !wait(ctx, seconds(r.rate)) {
			return ctx.Err()
		}
		if now, err = r.Look(ctx); err != nil {
			return err
		}
	}
	l := r.look(now, before)
	var listing draw.Listing
	switch v {
	case Flows:
		listing = l.Flows()
	case Tree:
		listing = l.Tree()
	default:
		listing = l.Routes()
	}
	text, err := draw.Print(listing, r.Format, r.Style)
	if err != nil {
		return err
	}
	return r.write(text)
}

// again is Look but for the first time: what is wrong is shown.
func (r *Run) again(ctx context.Context) []draw.Router {
	routers, err := r.Look(ctx)
	if err != nil {
		return []draw.Router{{Problem: err.Error()}}
	}
	return routers
}

func (r *Run) watch(ctx context.Context) error {
	before, err := r.Look(ctx)
	if err != nil {
		return err
	}
	l := r.look(before, nil)
	changes := append([]draw.Change{*l.Beginning()}, l.Changes()...) // those are who does not answer
	for n := 1; ; n++ {
		for i := range changes {
			if changes[i].Time.IsZero() {
				changes[i].Time = time.Now()
			}
			text, err := draw.PrintLine(&changes[i], r.Format, r.Style)
			if err == nil {
				err = r.write(text)
			}
			if err != nil {
				return err
			}
		}
		if n == r.count || !wait(ctx, seconds(r.delay)) {
			return nil
		}
		now := r.again(ctx)
		if ctx.Err() != nil {
			return nil
		}
		changes = r.look(now, before).Changes()
		before = draw.Remember(before, now)
	}
}

// top prints blocks, or draws them in place in a terminal.
func (r *Run) top(ctx context.Context) error {
	before, err := r.Look(ctx)
	if err != nil {
		return err
	}
	if s := r.screen(); s != nil {
		return r.topOn(ctx, s, before)
	}
	for n := 1; wait(ctx, seconds(r.delay)); n++ {
		now := r.again(ctx)
		if ctx.Err() != nil {
			return nil
		}
		text, err := draw.PrintLine(r.look(now, before).Top(0), r.Format, r.Style)
		if err == nil {
			err = r.write(text)
		}
		if err != nil || n == r.count {
			return err
		}
		if r.Format == draw.Text || r.Format == draw.Wide {
			if err := r.write("\n"); err != nil {
				return err
			}
		}
		before = draw.Remember(before, now)
	}
	return nil
}

func (r *Run) write(text string) error {
	if _, err := io.WriteString(r.Stdout, text); err != nil {
		return fmt.Errorf("writing the listing: %w", err)
	}
	return nil
}

// wait reports whether d has passed before ctx was done.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
