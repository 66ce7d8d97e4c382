package main

import (
	"errors"

	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
	"github.com/smcroute/kube-smcroute/cmd/internal/settings"
)

// configError is an environment in which the agent cannot work as configured.
type configError struct{ err error }

func (e *configError) Error() string { return e.err.Error() }
func (e *configError) Unwrap() error { return e.err }

// exitCode is the code with which the agent ends after err.
func exitCode(err error) int {
	var usage *settings.Error
	if errors.As(err, &usage) {
		return exitcode.Usage
	}
	var config *configError
	if errors.As(err, &config) {
		return exitcode.Config
	}
	return exitcode.Of(err)
}
