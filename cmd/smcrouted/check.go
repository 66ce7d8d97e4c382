package main

import "io"

// check is -F: it reads a configuration without acting on it. Messages go to
// stdout.
func check(f flags, stdout io.Writer, p parts) int {
	if p.check(stdout, f.check, f.noPhyint) {
		return exitConfig
	}
	return exitOK
}
