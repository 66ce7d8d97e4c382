package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/cmd/internal/background"
	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
	"github.com/smcroute/kube-smcroute/cmd/internal/install"
)

// run is the whole program: it returns the exit code.
func run(args []string, stdout, stderr io.Writer, p parts) int {
	f, err := parseFlags(args[1:], stderr)
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "smcrouted: %v\n", err)
		printUsage(stdout)
		return exitcode.Usage
	case err != nil:
		return complain(stderr, err)
	case f.help:
		printUsage(stdout)
		return exitcode.OK
	case f.version:
		printVersion(stdout)
		return exitcode.OK
	case f.checkOnly:
		return check(f, stdout, p)
	}

	var who *account
	if f.user != "" {
		if who, err = lookupAccount(f.user); err != nil {
			return complain(stderr, &exitError{exitcode.Failure, err})
		}
	}
	if err := checkCapabilities(); err != nil {
		return complain(stderr, err)
	}

	var parent *background.Parent
	if !f.foreground {
		if parent = background.Inherit(); parent == nil {
			return daemonize(args, stderr)
		}
		// Not to keep a file system from being unmounted.
		if err := os.Chdir("/"); err != nil {
			parent.Fail(explain(err))
			return exitCode(err)
		}
	}
	logger, closeLog := openLog(f, stderr)
	defer closeLog()
	s := &service{flags: f, who: who, parent: parent, parts: p, log: logger}
	if err := s.serve(); err != nil {
		for _, line := range reasons(err) {
			logger.Error(line)
		}
		parent.Fail(explain(err))
		return exitCode(err)
	}
	return exitcode.OK
}

// complain prints an error that comes before there is a log.
func complain(stderr io.Writer, err error) int {
	fmt.Fprint(stderr, explain(err))
	return exitCode(err)
}

// explain is err as lines for a person.
func explain(err error) string {
	var b strings.Builder
	for _, line := range reasons(err) {
		b.WriteString("smcrouted: " + line + "\n")
	}
	return b.String()
}

// reasons are the lines of err: joined errors, one for each family, have
// several.
func reasons(err error) []string { return strings.Split(err.Error(), "\n") }

// openLog chooses where messages go: to the system log, and in the foreground
// to stderr too, unless -s says that the system log is enough.
func openLog(f flags, stderr io.Writer) (logger *slog.Logger, closeLog func()) {
	system := newSyslogSink(f.ident)
	h := &lineHandler{min: f.level, sinks: []sink{system}}
	if f.foreground && !f.syslog {
		h.sinks = append(h.sinks, &stderrSink{ident: f.ident, w: stderr})
	}
	return slog.New(h), system.close
}

// service is one run of the daemon.
type service struct {
	flags  flags
	who    *account // nil: stay who we are
	parent *background.Parent
	parts  parts
	log    *slog.Logger

	pid     pidfile
	notify  notifier
	kept    *kept
	dropped bool // what the service manager held
	stop    context.CancelFunc
	trouble error // of the last step of the start

	normalHeap func() // see roomyHeap
}

// serve runs the daemon until a signal or a client ends it.
func (s *service) serve() error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s.stop = stop
	s.pid = pidfile{path: s.flags.pidfile, uid: -1, gid: -1}
	if s.who != nil {
		s.pid.uid, s.pid.gid = s.who.uid, s.who.gid
	}
	reload := make(chan struct{}, 1)
	defer handleSignals(func() { offer(reload) }, s.end)()
	if s.flags.exitAfter > 0 {
		defer time.AfterFunc(s.flags.exitAfter, s.end).Stop()
	}

	s.log.Log(ctx, levelNotice, versionLine())
	if s.flags.delay > 0 {
		// Whoever started us won't want to wait for it too.
		_ = s.parent.Ready()
		if !sleep(ctx, s.flags.delay) {
			return nil
		}
	}
	roomy := make(chan func(), 1)
	go func() { roomy <- roomyHeap(s.flags.conf) }()
	doors, err := s.openDoors(ctx)
	if err != nil {
		return err
	}
	defer closeDoors(doors)
	if s.kept, err = s.keepState(ctx); err != nil {
		return err
	}
	defer s.kept.close() // when the tables are closed
	k, err := s.open(ctx)
	if err != nil {
		return s.busyHint(err)
	}
	s.kept.opened(k)
	agent.TellFamilies(s.log, k)

	r := s.parts.new(agent.Options{
		Kernel:         k,
		ConfFile:       s.flags.conf,
		DefaultDisable: s.flags.noPhyint,
		Socket:         s.flags.socket,
		FlushInterval:  s.flags.flush,
		Script:         s.flags.script,
		MRDiscInterval: s.flags.mrdisc,
		RemoveForeign:  s.flags.removeForeign,
		MaxFlows:       s.flags.maxFlows,
		Version:        install.Version,
		Table:          s.flags.table,
		Leave:          s.kept.leaves,
		Logger:         s.log,
		OnStarted:      func() { _ = s.parent.Ready() }, // who has been killed need not know
		OnReady:        s.ready,
		OnReloading:    s.reloading,
		OnReloaded:     s.reloaded,
		OnKill:         s.end,
	})
	s.normalHeap = <-roomy
	go s.kept.watch(ctx)
	for _, d := range doors {
		go d.serve(ctx, d.l, r)
	}
	go func() {
		for {
			select {
			case <-reload:
				_ = r.Reload(ctx) // an error is in the log
			case <-ctx.Done():
				return
			}
		}
	}()
	err = r.Run(ctx)
	if rmErr := s.pid.remove(); rmErr != nil {
		s.log.Warn("The PID file could not be removed", "error", rmErr)
	}
	if err = errors.Join(s.trouble, err); err != nil {
		return err
	}
	s.log.Log(ctx, levelNotice, "Exiting.")
	return nil
}

// ready is called when the configuration is in force.
func (s *service) ready() {
	if err := s.pid.write(); err != nil {
		s.log.Warn("The PID file could not be written", "error", err)
	}
	s.settle()
	if s.who != nil {
		if err := s.who.become(); err != nil {
			// Never go on with more privileges than were asked for.
			s.trouble = &exitError{exitcode.OSErr, err}
			s.end()
			return
		}
		s.log.Info("Privileges dropped", "user", s.who.name)
	}
	s.told(s.notify.ready())
	s.normalHeap()
}

func (s *service) reloading() { s.told(s.notify.reloading()) }

func (s *service) reloaded() {
	if err := s.pid.touch(); err != nil {
		s.log.Warn("The PID file could not be touched", "error", err)
	}
	s.told(s.notify.ready())
}

// end begins the end.
func (s *service) end() {
	s.told(s.notify.stopping())
	s.stop()
}

func (s *service) told(err error) {
	if err != nil {
		s.log.Debug("The service manager was not told", "error", err)
	}
}

// offer leaves a token, unless one is there already.
func offer(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// sleep waits, and reports whether it was let.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
