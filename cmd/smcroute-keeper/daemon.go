package main

import (
	"errors"
	"fmt"
	"io"
	"log/syslog"
	"os"

	"github.com/smcroute/kube-smcroute/cmd/internal/background"
)

// daemonize starts this program again in the background, and returns when it works.
func daemonize() error {
	err := background.Start("/proc/self/exe", os.Args) // even if the file was replaced meanwhile
	var failure *background.Failure
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &failure):
		return fmt.Errorf("starting the keeper: %w", err)
	case failure.Reason == "":
		return fmt.Errorf("the keeper ended: %w", failure)
	}
	return failure
}

// systemLog is where a keeper in the background logs: nowhere if the system has no
// log.
func systemLog() io.Writer {
	w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_NOTICE, program)
	if err != nil {
		return io.Discard
	}
	return w
}
