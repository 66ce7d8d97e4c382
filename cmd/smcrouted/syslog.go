package main

import (
	"fmt"
	"log/syslog"
	"sync"
	"time"
)

const (
	// syslogQueue is how many lines wait for a system log that does not read.
	syslogQueue = 1024
	// syslogRedial is the least time between attempts to find a system log.
	syslogRedial = time.Second
	// syslogFlush is how long the daemon's exit waits for a slow system log.
	syslogFlush = time.Second
)

// syslogWriter is the part of *syslog.Writer that is used. It reconnects by
// itself when the system log was restarted.
type syslogWriter interface {
	Emerg(string) error
	Alert(string) error
	Crit(string) error
	Err(string) error
	Warning(string) error
	Notice(string) error
	Info(string) error
	Debug(string) error
	Close() error
}

type syslogLine struct {
	severity syslog.Priority
	text     string
}

// syslogSink writes to the system log, facility daemon. Writing is done by a
// goroutine, so that a system log that hangs does not stop multicast routing.
// Lines are lost, and counted, while there is none or it is too slow.
type syslogSink struct {
	dial func() (syslogWriter, error)

	mu     sync.Mutex
	lines  chan syslogLine
	closed bool
	lost   int

	done chan struct{}
}

// newSyslogSink starts a sink whose lines bear the name ident and the PID.
func newSyslogSink(ident string) *syslogSink {
	return startSyslog(func() (syslogWriter, error) {
		return syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, ident)
	})
}

func startSyslog(dial func() (syslogWriter, error)) *syslogSink {
	s := &syslogSink{
		dial:  dial,
		lines: make(chan syslogLine, syslogQueue),
		done:  make(chan struct{}),
	}
	go s.work()
	return s
}

func (s *syslogSink) write(severity syslog.Priority, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.lost > 0 {
		note := syslogLine{syslog.LOG_WARNING, fmt.Sprintf("%d lines of the log were lost", s.lost)}
		select {
		case s.lines <- note:
			s.lost = 0
		default:
		}
	}
	select {
	case s.lines <- syslogLine{severity, line}:
	default:
		s.lost++
	}
}

// close waits a moment until what was written is in the system log.
func (s *syslogSink) close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.lines)
	}
	s.mu.Unlock()
	select {
	case <-s.done:
	case <-time.After(syslogFlush):
	}
}

func (s *syslogSink) work() {
	defer close(s.done)
	var w syslogWriter
	var tried time.Time
	for line := range s.lines {
		if w == nil && time.Since(tried) >= syslogRedial {
			tried = time.Now()
			if fresh, err := s.dial(); err == nil {
				w = fresh
			}
		}
		if w != nil {
			// An error means that it is gone; the next line tries anew.
			_ = send(w, line)
		}
	}
	if w != nil {
		w.Close()
	}
}

func send(w syslogWriter, line syslogLine) error {
	switch line.severity {
	case syslog.LOG_EMERG:
		return w.Emerg(line.text)
	case syslog.LOG_ALERT:
		return w.Alert(line.text)
	case syslog.LOG_CRIT:
		return w.Crit(line.text)
	case syslog.LOG_ERR:
		return w.Err(line.text)
	case syslog.LOG_WARNING:
		return w.Warning(line.text)
	case syslog.LOG_NOTICE:
		return w.Notice(line.text)
	case syslog.LOG_INFO:
		return w.Info(line.text)
	}
	return w.Debug(line.text)
}
