package main

import (
	"fmt"
	"io"
	"log/syslog"
	"os"
	"sync"
)

// stderrSink writes lines as "IDENT[PID]: text".
type stderrSink struct {
	ident string
	mu    sync.Mutex
	w     io.Writer
}

func (s *stderrSink) write(_ syslog.Priority, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.w, "%s[%d]: %s\n", s.ident, os.Getpid(), line)
}
