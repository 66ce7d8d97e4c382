package page

import (
	"context"
	"time"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
)

const (
	// between is the least time from one look for findings to the next.
	between = 10 * time.Second
	// lookTime is how long one may take.
	lookTime = time.Minute
)

// Findings is what /api/findings answers.
type Findings struct {
	diagnose.Report
	Error string `json:"error,omitempty"` // why nothing is known, as a sentence
}

// lookout looks for findings, for all who ask.
type lookout struct {
	examine func(context.Context) (diagnose.Report, error)
	turn    chan struct{} // a token: who has it may look, and change what is below

	last *Findings
	next time.Time
}

func newLookout(examine func(context.Context) (diagnose.Report, error)) *lookout {
	l := &lookout{examine: examine, turn: make(chan struct{}, 1)}
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
	report, err := l.examine(within)
	now := &Findings{Report: report}
	if err != nil {
		now.Error = err.Error()
	}
	if now.Findings == nil {
		now.Findings = []diagnose.Finding{}
	}
	if now.Time.IsZero() {
		now.Time = time.Now()
	}
	l.last, l.next = now, time.Now().Add(between)
	return now, nil
}
