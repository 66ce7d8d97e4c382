package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/smcroute/kube-smcroute/agent/keep/shelf"
	"github.com/smcroute/kube-smcroute/cmd/internal/background"
)

// First and longest pause between attempts to become active or a mirror.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// keeper holds, as the active one or as a mirror of that.
type keeper struct {
	*options
	log    *slog.Logger
	shelf  shelf.Shelf
	lock   *lock
	status atomic.Pointer[status]
	ready  func() // called when the keeper works
	quiet  func() // ends answers to checks
}

// hold is the keeper's life.
func hold(ctx context.Context, o *options, stderr io.Writer) error {
	parent := background.Inherit()
	if o.daemon && parent == nil {
		return daemonize()
	}
	if parent != nil {
		_ = os.Chdir("/") // to stand in no one's way
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	ready := func() {}
	if parent != nil {
		late := time.AfterFunc(dialTime, func() { giveUp(errNoOther) })
		ready = func() {
			late.Stop()
			if err := parent.Ready(); err != nil {
				giveUp(err) // who started it has been killed, and will not know of it
			}
		}
	}
	err := newKeeper(o, logger(parent != nil, stderr), ready).run(ctx)
	if err == nil && parent.Waits() {
		err = context.Cause(ctx)
	}
	if err != nil {
		parent.Fail(err.Error())
	}
	return err
}

// errNoOther says why a keeper in the background ends, rather than wait for the
// active one for who knows how long.
var errNoOther = fmt.Errorf("neither active nor a mirror after %v, since another keeper of this socket is there, and does not answer", dialTime)

func newKeeper(o *options, log *slog.Logger, ready func()) *keeper {
	k := &keeper{options: o, log: log.With("socket", o.socket), ready: ready}
	k.report(false, "starting")
	return k
}

// run returns when the keeper has ended.
func (k *keeper) run(ctx context.Context) (err error) {
	if k.lock, err = openLock(k.socket); err != nil {
		return err
	}
	defer func() { _ = k.lock.file.Close() }()
	k.quiet = k.answerChecks()
	defer k.quiet()

	m := &mirror{keeper: k}
	pause, told := firstPause, ""
	for {
		if active, err := m.promote(); err != nil {
			return err
		} else if active {
			return k.serve(ctx)
		}
		err := m.follow(ctx)
		switch {
		case m.over(ctx):
			return nil
		case m.promotable():
			pause = firstPause
		case err != nil && err.Error() != told && pause == lastPause:
			told = err.Error()
			k.report(false, fmt.Sprintf("is neither active nor a mirror: %v", err))
			k.log.Warn("neither active nor a mirror, since another keeper is about to be active, or does not answer", "err", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			if m.over(ctx) {
				return nil
			}
			time.Sleep(pause)
		}
		pause = min(2*pause, lastPause)
	}
}

// logger is the one of a keeper in the background or not.
func logger(background bool, stderr io.Writer) *slog.Logger {
	if background {
		return slog.New(slog.NewTextHandler(systemLog(), withoutTime()))
	}
	var options *slog.HandlerOptions
	if os.Getenv("JOURNAL_STREAM") != "" {
		options = withoutTime() // the journal has it
	}
	return slog.New(slog.NewTextHandler(stderr, options))
}

func withoutTime() *slog.HandlerOptions {
	return &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.Attr{}
		}
		return a
	}}
}
