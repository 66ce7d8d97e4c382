package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// origin is what an image says of where it comes from.
type origin struct {
	revision string    // commit, with "-dirty" if files differ from it; empty if git does not know
	time     time.Time // in UTC
}

// originOf asks git about the clone in dir. The time is that of SOURCE_DATE_EPOCH
// (reproducible-builds.org), else that of the commit, else the begin of 1970.
func originOf(ctx context.Context, dir string) (origin, error) {
	o := origin{time: time.Unix(0, 0).UTC()}
	git := func(args ...string) string {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			return "" // no git, or no clone
		}
		return strings.TrimSpace(string(out))
	}
	o.revision = git("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty")
	epoch, from := os.Getenv("SOURCE_DATE_EPOCH"), "SOURCE_DATE_EPOCH"
	if epoch == "" && o.revision != "" {
		epoch, from = git("log", "-1", "--format=%ct"), "the time of the commit"
	}
	if epoch == "" {
		return o, nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return o, fmt.Errorf("%s is %q: expected seconds since 1970", from, epoch)
	}
	o.time = time.Unix(seconds, 0).UTC()
	return o, nil
}
