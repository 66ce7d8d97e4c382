package programs

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// StartDaemon starts a smcrouted, and returns when it is ready, within so long: it has
// written its PID file. At the end of the test it is ended, and must end well; if the test
// has failed, what it printed is logged.
func StartDaemon(t testing.TB, cmd *exec.Cmd, pidFile string, within time.Duration) {
	t.Helper()
	log := &Output{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("smcrouted: %v", err)
		}
		if t.Failed() {
			t.Logf("log of smcrouted:\n%s", log)
		}
	})
	netlab.Await(t, within, func() bool {
		_, err := os.Stat(pidFile)
		return err == nil
	}, "smcrouted to be ready")
}
