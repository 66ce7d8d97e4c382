package main

import (
	"fmt"
	"io"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/cmd/internal/install"
)

// printUsage writes the text of -h.
func printUsage(w io.Writer) {
	fmt.Fprintf(w, `Usage:
  smcrouted [-hknNsv] [-c SEC] [-d SEC] [-e CMD] [-f FILE] [-F FILE] [-i NAME]
            [-l LVL] [-m SEC] [-p USER[:GROUP]] [-P FILE] [-t ID] [-u FILE]
            [--keeper FILE] [--max-flows N] [--metrics ADDR]
            [--metrics-flows N] [--remove-foreign] [--ui ADDR]

Options:
  -c SEC            Forget learned routes that were idle for SEC seconds,
                    default 60; 0: never
  -d SEC            Wait SEC seconds before looking at interfaces
  -e CMD            Script to call on start and reload, and when a route for a
                    new flow is installed
  -f FILE           Configuration file, default %[1]s
  -F FILE           Check FILE and exit: 0 if it is fine, 78 if not
  -h                Show this text
  -i NAME           Identity: names of the .conf, .pid and .sock files, and in
                    the system log; default %[2]s
  -k                Leave routes and memberships in place at the end, for the
                    next start with -k: by systemd, or by smcroute-keeper
  -l LVL            Log level: none, err, warning, notice*, info, debug
  -m SEC            Interval of multicast router discovery, 4-180, default 20
  -n                Stay in the foreground, and log to stderr too
  -N                Interfaces with a phyint line have no VIF, unless it says
                    enable
  -p USER[:GROUP]   Change to USER and GROUP after start
  -P FILE           PID file, default %[3]s
  -s                Log to the system log only, also with -n
  -t ID             Multicast routing table, 0-%[5]d, default 0
  -u FILE           Socket for smcroutectl, default %[4]s
  -v                Show the version
  --keeper FILE     -k by the smcroute-keeper at FILE, also under systemd;
                    default without systemd: %[6]s
  --max-flows N     Learn so many flows at a time, stop filters for others
                    included, default %[7]d; 0: any number
  --metrics ADDR    Serve /metrics for Prometheus at ADDR, HOST:PORT or
                    unix:///FILE
  --metrics-flows N Metrics of N flows each, those with the most packets;
                    default 0
  --remove-foreign  Remove routes that other programs left in the table
  --ui ADDR         Show a web page at ADDR, which must be of this machine
                    alone: 127.0.0.1:8473

`, install.ConfPath(install.Ident), install.Ident,
		install.PIDPath(install.Ident), install.SocketPath(install.Ident), uapi.MaxTable4,
		install.KeeperPath(install.Ident), agent.DefaultMaxFlows)
}

// versionLine is the first line of -v, and of the log.
func versionLine() string { return "smcrouted v" + install.Version }

// printVersion writes the text of -v.
func printVersion(w io.Writer) {
	fmt.Fprintf(w, "%s\n\nBug report address: %s\nProject homepage:   %s\n",
		versionLine(), install.BugAddress, install.Homepage)
}
