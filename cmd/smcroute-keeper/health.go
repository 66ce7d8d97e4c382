package main

import (
	"context"
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

// checkName is where a keeper answers checks. It is in the abstract namespace
// (unix(7)), which belongs to the network namespace: keepers of one socket in
// different pods each have their own.
func checkName(socket string) string { return "@smcroute-keeper " + socket }

// answerChecks tells how the keeper is, until ctx is done. Of two keepers with one
// socket in one network namespace the older one answers.
func (k *keeper) answerChecks(ctx context.Context) {
	var l *net.UnixListener
	for {
		var err error
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: checkName(k.socket), Net: "unix"})
		if err == nil {
			break
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			time.Sleep(time.Second) // too many descriptors, which passes
			continue
		}
		s, word := k.status.Load(), notReadyWord
		if s.ready {
			word = readyWord
		}
		_ = c.SetDeadline(time.Now().Add(checkTime))
		_, _ = fmt.Fprintf(c, "%s%s, holding %d\n", word, s.text, k.shelf.Len())
		_ = c.Close()
	}
}

// check asks the keeper in this network namespace how it is, and prints that.
func check(ctx context.Context, socket string, stdout io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", checkName(socket))
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
