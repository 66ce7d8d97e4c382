package manifests

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/config/crd"
	"github.com/smcroute/kube-smcroute/controllers/dirwatch"
	"github.com/smcroute/kube-smcroute/controllers/node"
)

// Programmer is the part of node.Programmer that matters here.
type Programmer interface {
	Program(ctx context.Context, world node.World) error
	Report(ctx context.Context) (*v1alpha1.MulticastNodeStateStatus, error)
	Load(earlier *v1alpha1.MulticastNodeStateStatus)
}

// Options of Run.
type Options struct {
	Dir       string // of the manifests
	StatusDir string // where the status goes; "": nowhere

	Validator  *crd.Validator // nil: a new one is made
	Programmer Programmer
	NodeName   string
	NodeLabels map[string]string // what nodeSelectors look at

	// Changed says that a report might be another one now, if only in its
	// counters. It may be nil.
	Changed <-chan struct{}

	ReportInterval time.Duration // between looks at the counters; 10 s if 0
	RereadInterval time.Duration // between looks at the files, should their changes go unnoticed; 30 s if 0

	Logger *slog.Logger // slog.Default() if nil
}

// coalesce is how long changes are collected before their status is written.
const coalesce = 200 * time.Millisecond

// retryAfter is how long it takes until what could not be programmed is tried
// again. Tests don't wait that long.
var retryAfter = 5 * time.Second

// Run keeps the node at what the files in a directory say, until ctx is done.
// The error is nil then, or else says why it cannot begin.
func Run(ctx context.Context, o Options) error {
	r, err := newRunner(o)
	if err != nil {
		return err
	}
	defer r.watcher.Close()
	r.run(ctx)
	return nil
}

// runner is what Run works with. One goroutine uses it.
type runner struct {
	Options
	node    *corev1.Node
	catalog *catalog
	watcher *dirwatch.Watcher
	status  *statusBook // nil: no status is written
	said    remarks

	unsettled time.Time // since when a file is being written; zero if none is

	dirError, programError, statusError string // as last logged
}

func newRunner(o Options) (*runner, error) {
	if o.ReportInterval == 0 {
		o.ReportInterval = 10 * time.Second
	}
	if o.RereadInterval == 0 {
		o.RereadInterval = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Validator == nil {
		var err error
		if o.Validator, err = crd.NewValidator(); err != nil {
			return nil, err
		}
	}
	labels := map[string]string{corev1.LabelHostname: o.NodeName}
	for k, v := range o.NodeLabels {
		labels[k] = v
	}
	r := &runner{
		Options: o,
		node:    &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: o.NodeName, Labels: labels}},
		catalog: newCatalog(o.Validator),
	}
	dir, err := os.Stat(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("manifests: %w", err)
	}
	if !dir.IsDir() {
		return nil, fmt.Errorf("manifests: %s is not a directory", o.Dir)
	}
	if o.StatusDir != "" {
		files, err := openStatusDirectory(o.StatusDir)
		if err != nil {
			return nil, fmt.Errorf("status of manifests: %w", err)
		}
		if status, err := os.Stat(o.StatusDir); err == nil && os.SameFile(dir, status) {
			return nil, fmt.Errorf("the status cannot be written to %s: that is where the manifests are", o.StatusDir)
		}
		r.status = newStatusBook(files, r.node)
		if earlier := r.status.earlier(); earlier != nil {
			o.Programmer.Load(earlier)
		}
	}
	r.watcher = dirwatch.New(dirwatch.Options{Dirs: []string{o.Dir}, Files: "the manifests", Interval: o.RereadInterval, Logger: o.Logger})
	return r, nil
}

func (r *runner) run(ctx context.Context) {
	changed := make(chan struct{})
	go r.watcher.Run(ctx, changed)
	counters := time.NewTicker(r.ReportInterval)
	defer counters.Stop()
	var retry, reread, report <-chan time.Time
	program := func() {
		retry = nil
		if !r.program(ctx) {
			retry = time.After(retryAfter)
		}
		report = time.After(0)
	}
	read := func() {
		reread = nil
		switch r.read() {
		case filesChanged:
			program()
		case filesUnsettled:
			reread = time.After(dirwatch.Settle)
		}
	}
	read()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			read()
		case <-reread:
			read()
		case <-retry:
			program()
		case <-r.Changed:
			if report == nil {
				report = time.After(coalesce)
			}
		case <-report:
			report = nil
			r.report(ctx)
		case <-counters.C:
			r.report(ctx)
		}
	}
}

// filesState is what became of a look at the directory.
type filesState uint8

const (
	filesSame filesState = iota
	filesChanged
	filesUnsettled // to be read again soon
)

// read reads the directory. A file that is being written is waited for, within
// reason: half of it would be half of the routes.
func (r *runner) read() filesState {
	from := time.Now()
	files, err := readDirectory(r.Dir)
	now := time.Now()
	r.transition(&r.dirError, err, "The manifests cannot be read: what was asked for last stays in effect", "The manifests can be read again")
	if err != nil {
		return filesSame
	}
	if unsettled(files, from, now) || emptied(r.catalog.files, files) {
		if r.unsettled.IsZero() {
			r.unsettled = now
		}
		if now.Sub(r.unsettled) < dirwatch.Patience {
			return filesUnsettled
		}
	}
	r.unsettled = time.Time{}
	if !r.catalog.update(files) {
		return filesSame
	}
	r.said.update(r.Logger, r.catalog)
	return filesChanged
}

// program hands the objects on, and reports whether that went well.
func (r *runner) program(ctx context.Context) bool {
	routes, groups := r.catalog.objects()
	err := r.Programmer.Program(ctx, node.World{Node: r.node, Routes: routes, Groups: groups})
	if ctx.Err() != nil {
		return true
	}
	r.transition(&r.programError, err, "Not all of the manifests could be programmed; it is tried again", "All of the manifests could be programmed")
	return err == nil
}

// report writes the status. Without a place for it, the Programmer logs it all
// the same.
func (r *runner) report(ctx context.Context) {
	report, err := r.Programmer.Report(ctx)
	if ctx.Err() != nil || errors.Is(err, node.ErrNothingYet) {
		return
	}
	if err == nil && r.status != nil {
		err = r.status.write(time.Now(), r.catalog.sorted(), report)
	}
	r.transition(&r.statusError, err, "The status could not be written", "The status could be written again")
}

// transition logs an error when it comes, and when it goes.
func (r *runner) transition(last *string, err error, bad, good string) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == *last {
		return
	}
	*last = text
	if err != nil {
		r.Logger.Warn(bad, "error", err)
	} else {
		r.Logger.Log(context.Background(), levelNotice, good)
	}
}
