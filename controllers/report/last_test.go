package report

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// silence is an API server that does not answer.
type silence struct{ *server }

func (s silence) Update(ctx context.Context, o *v1alpha1.MulticastNodeState, _ metav1.UpdateOptions) (*v1alpha1.MulticastNodeState, error) {
	s.set(func() { _, _ = s.begin(ctx, "update", o.GetName()) })
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestLast: at the end there is one more report, if there are only counters to
// tell, and the end does not wait for long.
func TestLast(t *testing.T) {
	for _, tt := range []struct {
		name    string
		mode    Mode
		traffic float64
		change  func(*agent, *server, *Writer) // nobody is told of it
		want    string                         // requests
	}{
		{"counters", Full, 10, nil, "update "},
		{"no counters are told", Summary, 10, nil, ""},
		{"nothing was counted", Full, 0, nil, ""},
		{"off", Off, 10, nil, ""},
		{"a router is ending", Full, 10, func(a *agent, _ *server, _ *Writer) { a.missing = true }, ""},
		{"the routers have ended", Full, 10, func(a *agent, _ *server, _ *Writer) { a.err = errors.New("ended") }, ""},
		{"the API server is away", Full, 10, func(_ *agent, s *server, _ *Writer) { s.down = true }, "update "},
		{"the API server is silent", Full, 10, func(_ *agent, s *server, w *Writer) { w.store.client = silence{s} }, "update "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				s := newServer(t)
				a := &agent{node: "n", changed: make(chan struct{}, 1), made: time.Now(), traffic: tt.traffic}
				w := a.writer(s, tt.mode)
				ended := make(chan error)
				go func() { ended <- w.Start(ctx) }()
				time.Sleep(time.Hour)
				synctest.Wait()
				if tt.change != nil {
					tt.change(a, s, w)
				}
				end := time.Now()
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				if took := time.Since(end); took > LastReport {
					t.Errorf("it took %v", took)
				}
				got := ""
				for _, r := range s.since(end.Add(-1))["n"] {
					got += r.verb + " "
				}
				if got != tt.want {
					t.Errorf("requests %q, want %q", got, tt.want)
				}
			})
		})
	}
}
