package page

import (
	"context"
	"time"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
)

const (
	// between is the least time from one look for findings to the next. It watches
	// all packets of multicast for two seconds, which costs a busy node something.
	between = 30 * time.Second
	// maxFindings is how many findings are shown.
	maxFindings = 50
	// lookTime is how long one may take.
	lookTime = time.Minute
)

// Findings is what /api/findings answers.
type Findings struct {
	diagnose.Report
	Omitted int    `json:"omitted,omitempty"` // findings that are left out
	Error   string `json:"error,omitempty"`   // why nothing is known, as a sentence
}

// severities are all, the worst first.
var severities = []diagnose.Severity{diagnose.Broken, diagnose.Risk, diagnose.Note}

// shorten leaves the worst findings, as many as people look at; of those that are
// as bad the ones that a packet meets first.
func (f *Findings) shorten() {
	worst := make([]diagnose.Finding, 0, len(f.Findings))
	for _, severity := range severities {
		for i := range f.Findings {
			if f.Findings[i].Severity == severity {
				worst = append(worst, f.Findings[i])
			}
		}
	}
	f.Omitted = max(0, len(worst)-maxFindings)
	f.Findings = worst[:len(worst)-f.Omitted]
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
	now.shorten()
	if now.Time.IsZero() {
		now.Time = time.Now()
	}
	l.last, l.next = now, time.Now().Add(between)
	return now, nil
}
