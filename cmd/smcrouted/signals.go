package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// sameEnd is how long after a signal to end another one is taken for the same:
// timeout(1) and some service managers send it to the process and to its group.
const sameEnd = 200 * time.Millisecond

// handleSignals calls reload for each SIGHUP, and stop for the first SIGTERM or
// SIGINT; after sameEnd the next one kills the process. release ends the calls. A
// signal that comes when all has ended doesn't make that a death by it.
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
		var impatient <-chan time.Time
		for {
			select {
			case s := <-signals:
				if s == syscall.SIGHUP {
					reload()
					continue
				}
				if impatient == nil {
					impatient = time.After(sameEnd)
					stop()
				}
			case <-impatient:
				signal.Reset(syscall.SIGTERM, syscall.SIGINT)
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}
