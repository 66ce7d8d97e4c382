package page

import (
	"context"
	"time"
)

const (
	// between is the least time from one look for findings to the next.
	between = 10 * time.Second
	// lookTime is how long one may take.
	lookTime = time.Minute
)

// Findings is what /api/findings answers.
type Findings struct {
	Time     time.Time `json:"time"` // of the end of the look
	Findings []Finding `json:"findings"`
	Error    string    `json:"error,omitempty"` // why nothing is known, as a sentence
}

// lookout looks for findings, for all who ask.
type lookout struct {
	find func(context.Context) ([]Finding, error)
	turn chan struct{} // a token: who has it may look, and change what is below

	last *Findings
	next time.Time
}

func newLookout(find func(context.Context) ([]Finding, error)) *lookout {
	l := &lookout{find: find, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// look returns findings that are not old. Its error is that of ctx.
func (l *lookout) look(ctx context.Context) (*Findings, error) {
	select {
	case <-l.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { l.turn <- struct{}{} }()
	if time.Now().Before(l.next) {
		return l.last, nil
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime)
	defer cancel()
	start := time.Now()
	all, err := l.find(within)
	now := &Findings{Time: time.Now(), Findings: append([]Finding{}, all...)}
	if err != nil {
		now.Error = err.Error()
	}
	l.last, l.next = now, now.Time.Add(max(between, share*now.Time.Sub(start)))
	return now, nil
}
