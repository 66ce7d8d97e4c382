package api

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// envMissing has the reason why there are no Kubernetes programs, for the
// isolated process.
const envMissing = "KUBELAB_MISSING"

func TestMain(m *testing.M) {
	if os.Getenv(envMissing) == "" && os.Getenv(kubelab.EnvAssets) == "" {
		if err := kubelab.Find(); err != nil {
			if os.Getenv("CI") != "" {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			_ = os.Setenv(envMissing, err.Error())
		}
	}
	if os.Getenv(envMissing) != "" {
		os.Exit(m.Run()) // all skip
	}
	programs.MainOf(&suite{m: m}, "smcroute-agent", "smcroute-keeper", "smcroute-controller", "smcroutectl")
}

// suite is all tests. They share one API server and one controller, which the
// first of them starts.
type suite struct {
	m interface{ Run() int }

	mu       sync.Mutex
	lab      *kubelab.Lab
	control  *kubelab.Process
	t        *testing.T // that runs
	cleanups []func()
}

var shared *suite

// Run implements what TestMain runs.
func (s *suite) Run() int {
	shared = s
	defer func() {
		s.t = nil // it has ended: its log would panic
		for i := len(s.cleanups) - 1; i >= 0; i-- {
			s.cleanups[i]()
		}
	}()
	return s.m.Run()
}

// start returns the lab. Tests that use it don't run in parallel: each looks at
// nodes and routes of its own, but there are two processors.
func start(t *testing.T) *kubelab.Lab {
	t.Helper()
	if reason := os.Getenv(envMissing); reason != "" {
		t.Skipf("needs the Kubernetes programs: %s", reason)
	}
	s := shared
	s.t = t
	if s.lab == nil {
		dir, err := os.MkdirTemp("", "kubelab-")
		if err != nil {
			t.Fatal(err)
		}
		s.Cleanup(func() { _ = os.RemoveAll(dir) })
		s.lab = kubelab.Start(s, kubelab.Options{Programs: programs.Dir(), Dir: dir})
	}
	return s.lab
}

// startController starts the controller, once.
func (s *suite) startController() {
	s.t.Helper()
	if s.control == nil || s.control.Ended() {
		// Without a Lease it does not end when the API server is away for long.
		s.control = s.lab.LaunchController(s, "--leader-elect=false")
		s.control.AwaitReady()
	}
}

// The suite is the netlab.TB of what lives as long as it does.
var _ netlab.TB = (*suite)(nil)

func (s *suite) Helper() {}
func (s *suite) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}
func (s *suite) Logf(format string, args ...any) {
	if s.t != nil {
		s.t.Logf(format, args...)
	}
}
func (s *suite) Fatalf(format string, args ...any) { s.t.Helper(); s.t.Fatalf(format, args...) }
func (s *suite) Skipf(format string, args ...any)  { s.t.Helper(); s.t.Skipf(format, args...) }
