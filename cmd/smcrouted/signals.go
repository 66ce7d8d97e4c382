package main

import (
	"os"
	"os/signal"
	"syscall"
)

// handleSignals calls reload for each SIGHUP, and stop for the first SIGTERM or
// SIGINT; the next one kills the process. release undoes it all.
func handleSignals(reload, stop func()) (release func()) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT)
	// A reader of our stderr that goes away must not take the daemon with it.
	// Unlike signal.Ignore this isn't inherited by the script.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)

	quit := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case s := <-signals:
				if s == syscall.SIGHUP {
					reload()
					continue
				}
				signal.Reset(syscall.SIGTERM, syscall.SIGINT)
				stop()
			case <-quit:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		signal.Stop(broken)
		close(quit)
		<-done
	}
}
