package main

import (
	"fmt"
	"syscall"
)

// others is how many files this process and the API server have open at most, beside
// connections of agents.
const others = 2000

// connections allows this process, and what it starts, so many open files as all agents
// need, and returns how many connections there may be. Each agent has one, but begins
// four when its watches break off together; those that are too many wait.
func connections(o options) (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	want := uint64(5*o.agents + others)
	raised := syscall.Rlimit{Cur: max(limit.Cur, want), Max: max(limit.Max, want)}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) != nil {
		raised = syscall.Rlimit{Cur: limit.Max, Max: limit.Max} // without the privilege to ask for more
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err != nil {
			return 0, err
		}
	}
	if least := uint64(o.agents + others); raised.Cur < least {
		return 0, fmt.Errorf("%d agents need %d open files, and %d are allowed (RLIMIT_NOFILE): expected more, as of ulimit -n, or fewer -agents", o.agents, least, raised.Cur)
	}
	return int(min(raised.Cur, want)) - others, nil
}
