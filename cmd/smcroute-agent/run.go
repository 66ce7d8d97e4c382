package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
	"github.com/smcroute/kube-smcroute/cmd/internal/install"
	"github.com/smcroute/kube-smcroute/cmd/internal/logging"
	"github.com/smcroute/kube-smcroute/cmd/internal/settings"
)

// parts are what the shell is put around. Tests bring their own.
type parts struct {
	open         func(linux.Options) (kernel.Kernel, error)
	capabilities func() *cap.Set
}

// linked are the real parts.
func linked() parts {
	return parts{
		open: func(o linux.Options) (kernel.Kernel, error) {
			k, err := linux.Open(o)
			if err != nil {
				return nil, err
			}
			return k, nil
		},
		capabilities: cap.GetProc,
	}
}

// run is the whole program: it returns the exit code.
func run(args []string, stdout, stderr io.Writer, p parts) int {
	o, s, asked, err := parseOptions(args)
	switch {
	case err != nil:
		complain(stderr, err)
		fmt.Fprintln(stderr, "smcroute-agent: see smcroute-agent --help")
		return exitCode(err)
	case asked == settings.Help:
		s.Usage(stdout, columns())
		return exitcode.OK
	case asked == settings.Version:
		fmt.Fprintln(stdout, versionLine())
		return exitcode.OK
	}
	log := logging.New(stderr, o.log)
	logging.Lead(log)
	slog.SetDefault(log)
	thrift()
	if err := (&service{options: *o, parts: p, log: log}).serve(); err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			log.Error(line)
		}
		return exitCode(err)
	}
	return exitcode.OK
}

// complain prints an error that comes before there is a log.
func complain(stderr io.Writer, err error) {
	for _, line := range strings.Split(err.Error(), "\n") {
		fmt.Fprintln(stderr, "smcroute-agent: "+line)
	}
}

// versionLine is the text of --version, and the first line of the log.
func versionLine() string { return "smcroute-agent v" + install.Version }
