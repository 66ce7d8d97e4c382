package mrdisc

import "time"

// Timing of RFC 4286: configuration variables of section 3.1, and the constant
// MAX_RESPONSE_DELAY.
const (
	// DefaultInterval is the default of AdvertisementInterval (section 3.1.1).
	DefaultInterval = 20 * time.Second
	// MinInterval and MaxInterval are its limits.
	MinInterval = 4 * time.Second
	MaxInterval = 180 * time.Second

	// jitterFraction of the interval is AdvertisementJitter (section 3.1.2).
	jitterFraction = 0.025

	// maxInitialInterval is MaxInitialAdvertisementInterval (section 3.1.3).
	maxInitialInterval = 2 * time.Second
	// maxInitial is MaxInitialAdvertisements (section 3.1.4).
	maxInitial = 3

	// minGap comes from MaxMessageRate, 10 messages a second (section 3.1.6).
	minGap = time.Second / 10

	// maxResponseDelay is MAX_RESPONSE_DELAY.
	maxResponseDelay = 2 * time.Second

	// firstRetry is the wait after a message could not be sent. It doubles
	// with each failure, up to the interval. Not from the RFC.
	firstRetry = time.Second
)

// schedule decides when one interface announces in one family (RFC 4286,
// section 3.4). It is pure: its caller brings the time, and sends when next has
// come.
type schedule struct {
	interval time.Duration
	random   func() float64 // in [0, 1)

	next      time.Time     // when the next advertisement is due
	last      time.Time     // when the last one left; zero: none did
	initial   int           // advertisements still to come in the initial burst
	answering bool          // next answers a solicitation
	retry     time.Duration // the wait after the next failure
}

// start begins the initial burst: the interface is new, or came up.
func (s *schedule) start(now time.Time) {
	s.initial = maxInitial
	s.retry = firstRetry
	s.plan(now.Add(s.upTo(maxInitialInterval)))
}

// sent says that an advertisement left, and plans the next.
func (s *schedule) sent(now time.Time) {
	s.last = now
	s.retry = firstRetry
	if s.initial > 0 {
		s.initial--
	}
	if s.initial > 0 {
		s.plan(now.Add(s.upTo(maxInitialInterval)))
		return
	}
	jitter := time.Duration((2*s.random() - 1) * jitterFraction * float64(s.interval))
	s.plan(now.Add(s.interval + jitter))
}

// failed says that an advertisement could not leave.
func (s *schedule) failed(now time.Time) {
	s.plan(now.Add(min(s.retry, s.interval)))
	s.retry = min(2*s.retry, s.interval)
}

// solicited asks for an advertisement after a random delay. Further
// solicitations before it are answered by it as well.
func (s *schedule) solicited(now time.Time) {
	if s.answering {
		return
	}
	if at := now.Add(s.upTo(maxResponseDelay)); at.Before(s.next) {
		s.plan(at)
	}
	s.answering = true
}

// refresh asks for an advertisement at once.
func (s *schedule) refresh(now time.Time) { s.plan(now) }

// plan sets next, and keeps to the message rate.
func (s *schedule) plan(at time.Time) {
	s.answering = false
	if earliest := s.last.Add(minGap); at.Before(earliest) {
		at = earliest
	}
	s.next = at
}

func (s *schedule) upTo(limit time.Duration) time.Duration {
	return time.Duration(s.random() * float64(limit))
}
