package main

import (
	"context"
	"time"

	"github.com/smcroute/kube-smcroute/controllers/dirwatch"
)

// confInterval is how often the configuration file is looked at, should a change
// go unnoticed.
const confInterval = 30 * time.Second

// reloadOnHangup reads the configuration file again on each SIGHUP.
func (s *service) reloadOnHangup(ctx context.Context) {
	for {
		select {
		case <-s.hangup:
			_ = s.agent.Reload(ctx) // an error is in the log
		case <-ctx.Done():
			return
		}
	}
}

// watchConf reads the configuration file again when it changes, or what it
// includes does.
func (s *service) watchConf(ctx context.Context) {
	if s.confFile == "" {
		return
	}
	w := dirwatch.New(dirwatch.Options{Files: "the configuration file", Interval: confInterval, Logger: s.log})
	defer w.Close()
	changed, ended := make(chan struct{}), make(chan struct{})
	defer func() { <-ended }()
	go func() {
		defer close(ended)
		w.Run(ctx, changed)
	}()
	for {
		select {
		case <-changed:
			for more := true; more; { // what changed before it was watched
				dirs, _ := s.agent.ReloadIfChanged(ctx) // an error is in the log
				more = ctx.Err() == nil && w.Set(dirs)
			}
		case <-ctx.Done():
			return
		}
	}
}
