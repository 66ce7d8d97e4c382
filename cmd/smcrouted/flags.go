package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/metrics"
	"github.com/smcroute/kube-smcroute/agent/mrdisc"
	"github.com/smcroute/kube-smcroute/agent/page"
	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
	"github.com/smcroute/kube-smcroute/cmd/internal/install"
)

// flags are the options of the command line.
type flags struct {
	flush     time.Duration // -c; 0: never
	delay     time.Duration // -d
	exitAfter time.Duration // -D; 0: never
	script    string        // -e
	conf      string        // -f
	check     string        // -F
	checkOnly bool
	help      bool       // -h
	ident     string     // -i, -I
	keep      bool       // -k
	keeper    string     // --keeper; "": none was asked for
	level     slog.Level // -l
	levelSet  bool
	mrdisc    time.Duration // -m
	foreground,
	noPhyint bool // -n, -N
	user    string // -p
	pidfile string // -P
	syslog  bool   // -s
	table   uint32 // -t
	socket  string // -u
	version bool   // -v

	removeForeign bool // --remove-foreign
	maxFlows      int  // --max-flows; 0: any number

	ui string // --ui; "": no page

	metrics     string // --metrics; "": none
	metricFlows int    // --metrics-flows
}

// parseFlags reads the command line. Relative paths become absolute, because
// the daemon leaves its directory. Doubts go to warn. The error is a *usageError if
// the usage text should follow it, else an *exitError.
func parseFlags(args []string, warn io.Writer) (flags, error) {
	var f flags
	var flush, delay, exitAfter, level, interval, table, maxFlows, metricFlows string
	set := pflag.NewFlagSet(install.Ident, pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	set.StringVarP(&flush, "flush", "c", "60", "")
	set.StringVarP(&delay, "startup-delay", "d", "0", "")
	set.StringVarP(&exitAfter, "exit-after", "D", "0", "")
	set.StringVarP(&f.script, "exec", "e", "", "")
	set.StringVarP(&f.conf, "file", "f", "", "")
	set.StringVarP(&f.check, "check", "F", "", "")
	set.BoolVarP(&f.help, "help", "h", false, "")
	set.StringVarP(&f.ident, "ident", "i", install.Ident, "")
	set.StringVarP(&f.ident, "old-ident", "I", install.Ident, "")
	set.BoolVarP(&f.keep, "keep", "k", false, "")
	set.StringVar(&f.keeper, "keeper", "", "")
	set.StringVarP(&level, "log-level", "l", "notice", "")
	set.StringVarP(&interval, "mrdisc-interval", "m", "20", "")
	set.BoolVarP(&f.foreground, "foreground", "n", false, "")
	set.BoolVarP(&f.noPhyint, "no-phyint", "N", false, "")
	set.StringVarP(&f.user, "user", "p", "", "")
	set.StringVarP(&f.pidfile, "pid-file", "P", "", "")
	set.BoolVarP(&f.syslog, "syslog", "s", false, "")
	set.StringVarP(&table, "table", "t", "0", "")
	set.StringVarP(&f.socket, "socket", "u", "", "")
	set.StringVar(&maxFlows, "max-flows", strconv.Itoa(agent.DefaultMaxFlows), "")
	set.BoolVar(&f.removeForeign, "remove-foreign", false, "")
	set.StringVar(&f.ui, "ui", "", "")
	set.StringVar(&f.metrics, "metrics", "", "")
	set.StringVar(&metricFlows, "metrics-flows", "0", "")
	set.BoolVarP(&f.version, "version", "v", false, "")
	if err := set.Parse(args); err != nil {
		return f, &usageError{complaint(err)}
	}

	num := func(option, s string) int {
		n, clean := number(s)
		if !clean {
			fmt.Fprintf(warn, "smcrouted: -%s %q is not a number, using %d.\n", option, s, n)
		}
		return n
	}
	seconds := func(option, s string) time.Duration {
		return time.Duration(max(0, num(option, s))) * time.Second
	}
	f.flush = seconds("c", flush)
	f.delay = seconds("d", delay)
	f.exitAfter = seconds("D", exitAfter)

	var clean bool
	f.levelSet = set.Changed("log-level")
	f.checkOnly = set.Changed("check")
	if f.level, clean = parseLevel(level); !clean {
		fmt.Fprintf(warn, "smcrouted: -l %q is neither the name nor the number of a log level, using emerg.\n", level)
	}

	f.mrdisc = time.Duration(num("m", interval)) * time.Second
	if f.mrdisc < mrdisc.MinInterval || f.mrdisc > mrdisc.MaxInterval {
		return f, &exitError{exitcode.Failure, fmt.Errorf("-m %s is not a valid announcement interval: expected 4 to 180 seconds", interval)}
	}
	id := num("t", table)
	if id < 0 || id > uapi.MaxTable4 {
		return f, &usageError{fmt.Sprintf("-t %s is not a multicast routing table: expected 0 to %d", table, uapi.MaxTable4)}
	}
	f.table = uint32(id)
	if f.maxFlows, clean = number(maxFlows); !clean || f.maxFlows != 0 && f.maxFlows < agent.MinMaxFlows {
		return f, &usageError{fmt.Sprintf("--max-flows %q is no limit on flows: expected 0, for none, or at least %d", maxFlows, agent.MinMaxFlows)}
	}
	if f.metricFlows, clean = number(metricFlows); !clean || f.metricFlows < 0 || f.metricFlows > metrics.MaxFlows {
		return f, &usageError{fmt.Sprintf("--metrics-flows %q is no number of flows: expected 0, for none, to %d", metricFlows, metrics.MaxFlows)}
	}
	if f.metrics != "" {
		if err := checkMetrics(f.metrics); err != nil {
			return f, &usageError{"--metrics " + err.Error()}
		}
	}
	if f.ui != "" {
		if _, err := page.ParseAddr(f.ui); err != nil {
			return f, &usageError{"--ui " + err.Error()}
		}
	}
	if f.ident == "" || strings.ContainsAny(f.ident, "/\x00") {
		return f, &usageError{fmt.Sprintf("-i %q cannot be part of a file name", f.ident)}
	}
	f.keep = f.keep || f.keeper != ""
	return f, f.resolvePaths()
}

// resolvePaths fills in default paths and makes the others absolute.
func (f *flags) resolvePaths() error {
	switch {
	case f.pidfile == "":
		f.pidfile = install.PIDPath(f.ident)
	case !filepath.IsAbs(f.pidfile):
		f.pidfile = install.PIDPath(f.pidfile)
	}
	if f.conf == "" {
		f.conf = install.ConfPath(f.ident)
	}
	if f.socket == "" {
		f.socket = install.SocketPath(f.ident)
	}
	for _, path := range []*string{&f.conf, &f.socket, &f.script, &f.keeper} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return &exitError{exitcode.OSErr, err}
		}
		*path = abs
	}
	return nil
}

// usageError is a command line that cannot be understood.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// complaint puts an error of pflag in the words of getopt.
func complaint(err error) string {
	var unknown *pflag.NotExistError
	var noValue *pflag.ValueRequiredError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return fmt.Sprintf("invalid option -- '%s'", unknown.GetSpecifiedName())
	case errors.As(err, &unknown):
		return fmt.Sprintf("unrecognized option '--%s'", unknown.GetSpecifiedName())
	case errors.As(err, &noValue) && noValue.GetSpecifiedShortnames() != "":
		return fmt.Sprintf("option requires an argument -- '%s'", noValue.GetFlag().Shorthand)
	case errors.As(err, &noValue):
		return fmt.Sprintf("option '--%s' requires an argument", noValue.GetSpecifiedName())
	}
	return err.Error()
}
