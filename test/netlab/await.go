package netlab

import "time"

// Await calls cond until it is true, or ends the test when that has not come
// within the given time: "timed out after 5s waiting for WHAT".
func Await(tb TB, within time.Duration, cond func() bool, what string) {
	tb.Helper()
	if !Poll(within, cond) {
		tb.Fatalf("timed out after %v waiting for %s", within, what)
	}
}

// Poll calls cond until it is true or the time is over, and once more then.
// It reports whether it was.
func Poll(within time.Duration, cond func() bool) bool {
	deadline := time.Now().Add(within)
	pause := 200 * time.Microsecond
	for !cond() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(pause)
		pause = min(2*pause, 20*time.Millisecond)
	}
	return true
}
