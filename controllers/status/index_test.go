package status

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestClockOfANode: a node whose clock is an hour slow or fast is late when it
// does not report for as long as it promised, and not because of its clock.
func TestClockOfANode(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, 0, time.Hour} {
		var x Index
		report := func(at time.Time) {
			r := reportOf("n1", at.Add(skew).Add(10*time.Minute))
			r.Status.ReportTime = metav1.NewTime(at.Add(skew))
			x.Set(r, at)
			x.Set(r.DeepCopy(), at.Add(time.Minute)) // seen again
		}
		report(start)
		if got, want := x.Late("n1", start), skew < 0; got != want {
			t.Errorf("skew %v: of the first report, all there is to go by is its time: late is %v, want %v", skew, got, want)
		}
		at := start.Add(5 * time.Minute)
		report(at)
		for after, want := range map[time.Duration]bool{0: false, 10*time.Minute - time.Second: false, 10 * time.Minute: true} {
			if got := x.Late("n1", at.Add(after)); got != want {
				t.Errorf("skew %v: %v after the second report late is %v, want %v", skew, after, got, want)
			}
		}
	}
}
