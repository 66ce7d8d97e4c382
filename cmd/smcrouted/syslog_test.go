package main

import (
	"errors"
	"fmt"
	"log/syslog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestSyslogFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	server, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s := startSyslog(func() (syslogWriter, error) {
		return syslog.Dial("unixgram", path, syslog.LOG_DAEMON|syslog.LOG_INFO, "one")
	})
	buf := make([]byte, 1024)
	for severity := syslog.LOG_EMERG; severity <= syslog.LOG_DEBUG; severity++ {
		s.write(severity, "text")
		server.SetReadDeadline(time.Now().Add(time.Minute))
		n, err := server.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		// Facility daemon is 3.
		want := regexp.MustCompile(fmt.Sprintf(`^<%d>.* one\[%d\]: text\n$`, 3*8+int(severity), os.Getpid()))
		if !want.Match(buf[:n]) {
			t.Errorf("got %q, want %v", buf[:n], want)
		}
	}
	s.close()
}

// slowLog is a system log that takes a line each time gate is read from.
type slowLog struct {
	syslogWriter
	gate  chan struct{}
	lines []string
}

func (l *slowLog) Info(s string) error    { <-l.gate; l.lines = append(l.lines, s); return nil }
func (l *slowLog) Warning(s string) error { return l.Info(s) }
func (l *slowLog) Close() error           { return nil }

func TestHangingSyslogDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowLog{gate: make(chan struct{})}
		s := startSyslog(func() (syslogWriter, error) { return slow, nil })
		s.write(syslog.LOG_INFO, "0")
		synctest.Wait() // that one is with the system log
		for n := range syslogQueue + 10 {
			s.write(syslog.LOG_INFO, fmt.Sprint(n+1))
		}
		start := time.Now()
		s.close()
		if waited := time.Since(start); waited != syslogFlush {
			t.Errorf("close waited %v, want %v", waited, syslogFlush)
		}
		close(slow.gate)
		<-s.done
		if n := len(slow.lines); n != syslogQueue+1 {
			t.Errorf("%d lines arrived, want %d", n, syslogQueue+1)
		}
	})
}

func TestLostLinesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowLog{gate: make(chan struct{})}
		s := startSyslog(func() (syslogWriter, error) { return slow, nil })
		s.write(syslog.LOG_INFO, "first")
		synctest.Wait()
		for range syslogQueue + 10 {
			s.write(syslog.LOG_INFO, "more")
		}
		close(slow.gate)
		synctest.Wait()
		s.write(syslog.LOG_INFO, "last")
		s.close()
		if tail, want := slow.lines[len(slow.lines)-2:], []string{"10 lines of the log were lost", "last"}; !slices.Equal(tail, want) {
			t.Errorf("got %q, want %q", tail, want)
		}
	})
}

func TestSyslogThatComesLaterIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int32
		open := make(chan struct{})
		close(open)
		log := &slowLog{gate: open}
		s := startSyslog(func() (syslogWriter, error) {
			if tries.Add(1) == 1 {
				return nil, errors.New("no system log yet")
			}
			return log, nil
		})
		s.write(syslog.LOG_INFO, "too early")
		synctest.Wait()
		s.write(syslog.LOG_INFO, "too soon to try again")
		synctest.Wait()
		time.Sleep(2 * syslogRedial)
		s.write(syslog.LOG_INFO, "heard")
		s.close()
		if !slices.Equal(log.lines, []string{"heard"}) || tries.Load() != 2 {
			t.Errorf("lines %q after %d tries", log.lines, tries.Load())
		}
		s.write(syslog.LOG_INFO, "after close")
	})
}
