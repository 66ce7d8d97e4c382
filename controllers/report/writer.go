package report

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/status"
)

// Source makes reports.
type Source interface {
	// Report returns what the node's state is now. The caller may change it.
	Report(ctx context.Context) (*v1alpha1.MulticastNodeStateStatus, error)
}

// Options configure a Writer.
type Options struct {
	Client  Client
	Node    string                                       // name of the Node, and of the report
	NodeUID func(ctx context.Context) (types.UID, error) // of the Node, which owns the report; from a cache, as it is asked often

	Mode     Mode          // "": Full
	Interval time.Duration // between reports of counters; 0: 300 s
	Coalesce time.Duration // least time between two reports; 0: 10 s

	Source  Source
	Changed <-chan struct{} // has a value when Source may report another state

	// Crowd returns how many nodes may have the same change to report. They do so one
	// after the other, 100 a second. nil: this one alone.
	Crowd func() int

	// Loaded is called once, before the first report, with the report of an
	// earlier agent of the node if there is one; its counters go on. It may be
	// nil.
	Loaded func(earlier *v1alpha1.MulticastNodeStateStatus)

	Logger *slog.Logger
}

// jitter is by how much of it an interval is longer or shorter at most.
const jitter = 0.1

// perNode is the time that the reports of a crowd are apart, on the average. An API
// server spends some 7 ms of a processor on each (docs/scale.md); if those of thousands
// come at once, it does nothing else, not even tell the other nodes of the change.
const perNode = 10 * time.Millisecond

// Writer keeps a node's MulticastNodeState up to date.
type Writer struct {
	o     Options
	store *store
	log   *slog.Logger

	loaded   bool
	written  *v1alpha1.MulticastNodeStateStatus // last; nil: none yet
	wrote    time.Time
	looked   time.Time     // when the source was asked last
	took     time.Duration // how long it took to answer
	ticks    int           // intervals that ended since wrote
	backoff  wait.Backoff
	failure  string // of the last attempt to write
	lookAt   time.Time
	spread   time.Duration // of the changes that lookAt is for
	tickAt   time.Time
	unsource string // why there was no report
}

// New returns a Writer that does nothing before Start.
func New(o Options) *Writer {
	if o.Mode == "" {
		o.Mode = Full
	}
	if o.Interval <= 0 {
		o.Interval = 300 * time.Second
	}
	if o.Coalesce <= 0 {
		o.Coalesce = 10 * time.Second
	}
	w := &Writer{o: o, log: o.Logger, store: &store{client: o.Client, node: o.Node, nodeUID: o.NodeUID}}
	w.backoff = newBackoff()
	return w
}

func newBackoff() wait.Backoff {
	return wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.5, Steps: 7, Cap: time.Minute}
}

// Start writes until ctx is done. It has no other end, and returns nil, after
// one more report of what was counted meanwhile, for which it takes no more than
// [LastReport].
//
// With the mode Off the source is asked all the same when there is a change, as
// it may log what became of it.
func (w *Writer) Start(ctx context.Context) error {
	now := time.Now()
	w.lookAt = now
	// Agents that start together end their first intervals at any time.
	w.tickAt = now.Add(time.Duration(rand.Float64() * float64(w.o.Interval)))
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			w.last(ctx)
			return nil
		case <-w.o.Changed:
			w.change(time.Now())
		case <-timer.C:
			w.turn(ctx, time.Now())
		}
		next := w.tickAt
		if !w.lookAt.IsZero() && w.lookAt.Before(next) {
			next = w.lookAt
		}
		timer.Reset(time.Until(next))
	}
}

// change plans a look at the source: soon, but so that what belongs together
// comes together, a crowd does not come at once, the source is not busy with us, and
// reports keep their distance, which is the most that a slow source has to wait: one that
// answered late may have been kept by something else.
func (w *Writer) change(now time.Time) {
	if w.lookAt.IsZero() {
		w.spread = 0
		if w.o.Crowd != nil {
			w.spread = time.Duration(rand.Float64() * float64(w.o.Crowd()) * float64(perNode))
		}
	}
	at := latest(
		now.Add(w.o.Coalesce/20+w.spread),
		w.looked.Add(min(max(w.o.Coalesce/10, 20*w.took), w.o.Coalesce)),
		w.wrote.Add(w.o.Coalesce),
	)
	if w.failure != "" && !w.lookAt.IsZero() {
		return // the backoff's time counts
	}
	if w.lookAt.IsZero() || at.Before(w.lookAt) {
		w.lookAt = at
	}
}

// turn does what is due.
func (w *Writer) turn(ctx context.Context, now time.Time) {
	if free := w.wrote.Add(w.o.Coalesce); !w.lookAt.IsZero() && w.lookAt.Before(free) {
		w.lookAt = free // an interval ended after this was planned
	}
	look := !w.lookAt.IsZero() && !now.Before(w.lookAt)
	tick := !now.Before(w.tickAt)
	if tick {
		w.ticks++
		spread := 1 + jitter*(2*rand.Float64()-1)
		w.tickAt = now.Add(time.Duration(spread * float64(w.o.Interval)))
		if w.o.Mode == Off || w.failure != "" || now.Before(w.wrote.Add(w.o.Coalesce)) {
			tick = false // nothing is written, or at its own pace, or it was just now
		}
	}
	if !look && !tick {
		return
	}
	if look {
		w.lookAt = time.Time{}
	}
	report, ok := w.report(ctx, now)
	if !ok || w.o.Mode == Off {
		return
	}
	if !w.worthIt(ctx, report, tick) {
		return
	}
	err := w.write(ctx, report, now)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		w.lookAt = time.Now().Add(w.backoff.Step())
		w.fails(err)
	default:
		w.works()
	}
}

// report asks the source.
func (w *Writer) report(ctx context.Context, now time.Time) (*v1alpha1.MulticastNodeStateStatus, bool) {
	if !w.loaded && w.o.Mode != Off {
		earlier, err := w.store.load(ctx)
		if err != nil {
			if ctx.Err() == nil {
				w.lookAt = time.Now().Add(w.backoff.Step())
				w.fails(err)
			}
			return nil, false
		}
		w.loaded = true
		if earlier != nil && w.o.Loaded != nil {
			w.o.Loaded(earlier)
		}
	}
	report, err := w.o.Source.Report(ctx)
	w.looked, w.took = now, time.Since(now)
	if err != nil {
		// There will be a change when there is something to report; this is for
		// a source that failed for another reason.
		w.lookAt = now.Add(w.o.Coalesce)
		if ctx.Err() == nil && w.unsource != err.Error() {
			w.unsource = err.Error()
			w.log.Debug("There is no report yet", "error", err)
		}
		return nil, false
	}
	w.unsource = ""
	w.o.Mode.strip(report)
	return report, true
}

// worthIt reports whether a report has to be written.
func (w *Writer) worthIt(ctx context.Context, report *v1alpha1.MulticastNodeStateStatus, tick bool) bool {
	if w.written == nil || w.failure != "" || w.store.orphaned(ctx) {
		return true
	}
	switch status.Compare(w.written, report) {
	case status.StateChanged:
		return true
	case status.CountersChanged:
		return tick
	}
	return tick && w.ticks >= 2
}

// write writes a report.
func (w *Writer) write(ctx context.Context, report *v1alpha1.MulticastNodeStateStatus, now time.Time) error {
	report.ReportTime = metav1.NewTime(now.UTC().Truncate(time.Second))
	report.NextReportTime = metav1.NewTime(now.Add(w.patience()).UTC().Truncate(time.Second))
	if err := w.store.write(ctx, report); err != nil {
		return err
	}
	w.written, w.wrote, w.ticks = report, now, 0
	return nil
}

// patience is after how long without a report the node counts as silent: two
// intervals at their longest, and time for a few attempts.
func (w *Writer) patience() time.Duration {
	return time.Duration((2+5*jitter)*float64(w.o.Interval)) + 2*w.o.Coalesce + time.Second
}

func (w *Writer) fails(err error) {
	if w.failure != err.Error() {
		w.log.Warn("The report of this node cannot be written, it is tried again", "error", err)
	}
	w.failure = err.Error()
}

func (w *Writer) works() {
	if w.failure != "" {
		w.log.Info("The report of this node is written again")
	}
	w.failure = ""
	w.backoff = newBackoff()
}

func latest(times ...time.Time) (t time.Time) {
	for _, x := range times {
		if x.After(t) {
			t = x
		}
	}
	return t
}

// errNoNode is that the Node has no UID.
var errNoNode = errors.New("the Node has no UID: expected it from the API server")
