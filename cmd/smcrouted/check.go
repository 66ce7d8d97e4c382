package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
)

// check is -F: it reads a configuration without acting on it. Messages go to
// stdout. It needs no privileges.
func check(f flags, stdout io.Writer, p parts) int {
	links, err := p.links()
	if err != nil {
		fmt.Fprintf(stdout, "smcrouted: interfaces of this system: %v\n", err)
		return exitcode.OSErr
	}
	if !p.check(stdout, f.check, agent.CheckOptions{
		DefaultDisable: f.noPhyint, Links: links, Level: f.checkLevel(),
	}) {
		return exitcode.Config
	}
	return exitcode.OK
}

// checkLevel is the log level of -F: info, unless -l says another.
func (f flags) checkLevel() slog.Level {
	if f.levelSet {
		return f.level
	}
	return slog.LevelInfo
}
