package report

import (
	"context"
	"time"

	"github.com/smcroute/kube-smcroute/controllers/status"
)

// LastReport is how long a Writer may take to end.
const LastReport = time.Second

// last writes a report at the end, when ctx is done, if it is one of counters
// alone: else what was counted since the last one would be lost. States are the
// next agent's business, and the routers may be ending, too.
func (w *Writer) last(ctx context.Context) {
	if w.o.Mode == Off || w.written == nil || w.failure != "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), LastReport)
	defer cancel()
	report, err := w.o.Source.Report(ctx)
	if err != nil {
		return
	}
	w.o.Mode.strip(report)
	if status.Compare(w.written, report) != status.CountersChanged {
		return
	}
	if err := w.write(ctx, report, time.Now()); err != nil {
		w.fails(err)
	}
}
