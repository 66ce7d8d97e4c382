package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// status is how the keeper is.
type status struct {
	ready bool
	text  string
}

// checkTime is a second less than what kubelets give the probes of our manifests.
const checkTime = 4 * time.Second

// What the answer to a check begins with.
const (
	readyWord    = "ready: "
	notReadyWord = "not ready: "
)

// report notes how the keeper is.
func (k *keeper) report(ready bool, text string) { k.status.Store(&status{ready, text}) }

// checkAddr is where a keeper answers checks. It is in the abstract namespace
// (unix(7)), which belongs to the network namespace: keepers of one socket in
// different pods each have their own.
func checkAddr(socket string) *net.UnixAddr {
	return &net.UnixAddr{Name: "@smcroute-keeper " + socket, Net: "unix"}
}

// answerChecks begins to tell how the keeper is. Of two keepers with one socket in
// one network namespace the older one answers, and then the other. Nobody does any
// more when the returned function has returned.
func (k *keeper) answerChecks() (quiet func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	l, err := net.ListenUnix("unix", checkAddr(k.socket))
	go func() {
		defer close(ended)
		for pause := firstPause; err != nil; pause = min(2*pause, lastPause) {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
			l, err = net.ListenUnix("unix", checkAddr(k.socket))
		}
		stop := context.AfterFunc(ctx, func() { _ = l.Close() })
		defer stop()
		k.answer(l)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// answer answers checks until l is closed.
func (k *keeper) answer(l *net.UnixListener) {
	for {
		c, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(lastPause) // too many descriptors, which passes
			continue
		}
		s, word := k.status.Load(), notReadyWord
		if s.ready {
			word = readyWord
		}
		// It fits into the socket's buffer, so that nobody waits.
		_, _ = fmt.Fprintf(c, "%s%s, holding %d\n", word, s.text, k.shelf.Len())
		_ = c.Close()
	}
}

// check asks the keeper in this network namespace how it is, and prints that.
func check(ctx context.Context, socket string, stdout io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", checkAddr(socket).Name)
	if err != nil {
		return fmt.Errorf("no keeper for %s in this network namespace: %w", socket, err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(checkTime))
	answer, err := io.ReadAll(io.LimitReader(c, 1<<10))
	if err != nil {
		return err
	}
	text := strings.TrimSpace(string(answer))
	fmt.Fprintln(stdout, text) // which is what kubelets show
	if !strings.HasPrefix(text, readyWord) {
		return &toldError{exitFailure}
	}
	return nil
}

// toldError says that all is told already.
type toldError struct{ code int }

func (e *toldError) Error() string { return fmt.Sprintf("exit code %d", e.code) }
