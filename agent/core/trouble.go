package core

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// LevelNotice lies between slog's Info and Warn, like syslog's LOG_NOTICE.
const LevelNotice = slog.LevelInfo + 2

// First and longest wait before what failed is tried again.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// trouble keeps what failed in the current round, and since when.
type trouble struct {
	failed  int
	first   error
	cause   string // of first: kind of op and innermost error, whatever the object
	logged  string // the cause that was logged last
	backoff time.Duration
	waking  bool // a Wake is under way
}

func (tr *trouble) note(kind mroute.OpKind, err error) {
	if tr.first == nil {
		tr.first, tr.cause = err, kind.String()+": "+innermost(err).Error()
	}
	tr.failed++
}

// innermost is what err comes down to.
func innermost(err error) error {
	for {
		var next error
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			next = e.Unwrap()
		case interface{ Unwrap() []error }:
			if errs := e.Unwrap(); len(errs) > 0 {
				next = errs[0]
			}
		}
		if next == nil {
			return err
		}
		err = next
	}
}

// settled ends a round: it logs what changed for better or worse, and asks to
// be woken if something failed.
func (s *State) settled() []Effect {
	var out []Effect
	for _, t := range s.tables {
		if t.noRoom != t.noRoomLogged {
			t.noRoomLogged = t.noRoom
			if s.spreads && len(s.res.Demand().Needs) > 0 {
				continue
			}
			if t.noRoom != "" {
				out = append(out, Log{slog.LevelWarn, fmt.Sprintf(
					"the %v table holds %d VIFs at most: no room for %s", t.family, mroute.MaxVIFs, t.noRoom)})
			} else {
				out = append(out, Log{LevelNotice, fmt.Sprintf("the %v table has room for all interfaces again", t.family)})
			}
		}
	}
	tr := &s.trouble
	if tr.failed == 0 {
		if tr.logged != "" && s.asWanted() {
			out = append(out, Log{LevelNotice, "what had failed in the kernel works now"})
			tr.logged, tr.backoff, tr.waking = "", 0, false
		}
		return out
	}
	if tr.cause != tr.logged {
		tr.logged = tr.cause
		line := tr.first.Error()
		if tr.failed > 1 {
			line += fmt.Sprintf(" (and %d more failures)", tr.failed-1)
		}
		out = append(out, Log{slog.LevelError, line})
	}
	tr.failed, tr.first = 0, nil
	if tr.waking {
		return out // or else failures that keep coming would put it off
	}
	tr.waking = true
	tr.backoff = min(max(2*tr.backoff, firstRetry), lastRetry)
	return append(out, Wake{tr.backoff})
}

// retry marks for comparison whatever is not known to be as wanted.
func (s *State) retry() {
	s.trouble.waking = false
	s.work.vifs = true
	s.groups.retry()
	s.work.joins = true
	for _, t := range s.tables {
		s.work.sgs = appendSorted(s.work.sgs, t.cells.Keys(), func(sg mroute.SG) bool { return t.cells.Get(sg).unknown })
	}
}

// asWanted reports whether nothing waits for a retry.
func (s *State) asWanted() bool {
	if s.groups.failed > 0 {
		return false
	}
	want := s.res.WantVIFs()
	for _, t := range s.tables {
		if !t.hasVIFs(want) {
			return false
		}
		for _, c := range t.cells.All() {
			if c.unknown {
				return false
			}
		}
	}
	return true
}
