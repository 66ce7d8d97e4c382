package mrdisc

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func newSchedule(interval time.Duration, random float64) *schedule {
	return &schedule{interval: interval, random: func() float64 { return random }}
}

func TestInitialBurstThenInterval(t *testing.T) {
	s := newSchedule(20*time.Second, 0.5)
	now := epoch
	s.start(now)
	var gaps []time.Duration
	for range 6 {
		gaps = append(gaps, s.next.Sub(now))
		now = s.next
		s.sent(now)
	}
	want := []time.Duration{time.Second, time.Second, time.Second, 20 * time.Second, 20 * time.Second, 20 * time.Second}
	for i := range want {
		if gaps[i] != want[i] {
			t.Fatalf("gaps %v, want %v", gaps, want)
		}
	}
}

func TestJitterIsAFortiethOfTheInterval(t *testing.T) {
	for _, tt := range []struct {
		random float64
		want   time.Duration
	}{
		{0, 20*time.Second - 500*time.Millisecond},
		{0.5, 20 * time.Second},
		{1, 20*time.Second + 500*time.Millisecond}, // the limit, not reached
	} {
		s := newSchedule(20*time.Second, tt.random)
		s.sent(epoch)
		if got := s.next.Sub(epoch); got != tt.want {
			t.Errorf("random %v: %v, want %v", tt.random, got, tt.want)
		}
	}
}

func TestSolicitationIsAnsweredWithinTwoSeconds(t *testing.T) {
	s := newSchedule(20*time.Second, 0.75)
	s.sent(epoch)
	now := epoch.Add(5 * time.Second)
	s.solicited(now)
	if got, want := s.next.Sub(now), 1500*time.Millisecond; got != want {
		t.Errorf("answer after %v, want %v", got, want)
	}
}

func TestSolicitationsShareAnAnswer(t *testing.T) {
	s := newSchedule(20*time.Second, 0.75)
	s.sent(epoch)
	now := epoch.Add(5 * time.Second)
	s.solicited(now)
	first := s.next
	s.random = func() float64 { return 0 }
	s.solicited(now.Add(time.Second / 2))
	if s.next != first {
		t.Errorf("a second solicitation moved the answer from %v to %v", first, s.next)
	}
	s.sent(first)
	s.solicited(first)
	if got, want := s.next.Sub(first), minGap; got != want {
		t.Errorf("the next answer comes after %v, want %v", got, want)
	}
}

func TestSolicitationNeverDelays(t *testing.T) {
	s := newSchedule(20*time.Second, 0.75)
	s.sent(epoch)
	due := s.next
	s.solicited(due.Add(-time.Second / 4))
	if s.next != due {
		t.Errorf("moved from %v to %v", due, s.next)
	}
}

func TestRefreshIsAtOnce(t *testing.T) {
	s := newSchedule(20*time.Second, 0.75)
	s.sent(epoch)
	now := epoch.Add(5 * time.Second)
	s.refresh(now)
	if s.next != now {
		t.Errorf("refresh announces %v later", s.next.Sub(now))
	}
}

func TestRetriesBackOffToTheInterval(t *testing.T) {
	s := newSchedule(6*time.Second, 0)
	s.start(epoch)
	now := epoch
	for i, want := range []time.Duration{1, 2, 4, 6, 6} {
		s.failed(now)
		if got := s.next.Sub(now); got != want*time.Second {
			t.Fatalf("failure %d: retry after %v, want %v s", i+1, got, int(want))
		}
		now = s.next
	}
	s.sent(now)
	s.failed(now)
	if got := s.next.Sub(now); got != time.Second {
		t.Errorf("after a success: retry after %v, want 1s", got)
	}
}

// Whatever happens, advertisements keep to the message rate, and none is later
// than the interval and its jitter.
func TestScheduleKeepsItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.IntRange(4, 180).Draw(t, "interval")) * time.Second
		s := &schedule{interval: interval, random: func() float64 {
			return rapid.Float64Range(0, 0.999).Draw(t, "random")
		}}
		now := epoch
		s.start(now)
		var last time.Time
		for range rapid.IntRange(1, 50).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "pass")) * time.Millisecond)
			if !s.next.After(now) {
				if now.Sub(last) < minGap {
					t.Fatalf("two advertisements within %v", now.Sub(last))
				}
				if rapid.Bool().Draw(t, "works") {
					s.sent(now)
					last = now
				} else {
					s.failed(now)
				}
			}
			switch rapid.IntRange(0, 3).Draw(t, "event") {
			case 0:
				s.solicited(now)
				if s.next.Sub(now) > maxResponseDelay {
					t.Fatalf("solicitation answered after %v", s.next.Sub(now))
				}
			case 1:
				s.refresh(now)
			case 2:
				s.start(now)
			}
			if limit := interval + interval/40 + 1; s.next.Sub(now) > limit {
				t.Fatalf("next is %v away, more than %v", s.next.Sub(now), limit)
			}
		}
	})
}
