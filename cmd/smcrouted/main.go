// Command smcrouted is a daemon for static and on-demand multicast routing. It
// takes the place of SMCRoute's smcrouted: smcrouted(8) in man/ is its manual.
//
// This package is the shell around package agent: options, log, PID file,
// signals, service manager, privileges and exit codes.
package main

import "os"

func main() { os.Exit(run(os.Args, os.Stdout, os.Stderr, linked())) }
