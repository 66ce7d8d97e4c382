package main

import (
	"errors"

	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
)

// exitError is an error with its own exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exitCode is the code with which the daemon ends after err.
func exitCode(err error) int {
	var own *exitError
	if errors.As(err, &own) {
		return own.code
	}
	var usage *usageError
	if errors.As(err, &usage) {
		return exitcode.Usage
	}
	return exitcode.Of(err)
}
