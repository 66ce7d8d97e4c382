package clusterlab

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/test/clusterlab/capsule"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// patience is how long anything may take that should happen soon, on a busy
// machine.
const patience = 2 * time.Minute

// part is a program of the cluster that runs until it is killed.
type part struct {
	name string // also of its log
	log  string // file
	cmd  *exec.Cmd
	done chan struct{}
}

// launch starts a part, in a node if box is not nil. Its log is continued if there
// is one.
func (c *Cluster) launch(box *capsule.Box, name, program string, args ...string) (*part, error) {
	p := &part{name: name, log: filepath.Join(c.Logs, name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if _, err := os.Stat(kubernetes(program)); err == nil {
		program = kubernetes(program)
	}
	p.cmd = exec.Command(program, args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = append(os.Environ(), "HOME="+capsule.Disk())
	start := p.cmd.Start
	if box != nil {
		p.cmd.Env = append(p.cmd.Env, "TMPDIR="+capsule.TempDir)
		start = func() error { return box.Start(p.cmd) }
	}
	if err := start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the state says it all
	}()
	return p, nil
}

// kubernetes is the path of one of the Kubernetes programs.
func kubernetes(program string) string { return filepath.Join(os.Getenv(kubelab.EnvAssets), program) }

func (p *part) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *part) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// await waits until cond is true. It is an error if the part ends before, or if
// it takes too long.
func (p *part) await(cond func() bool, what string) error {
	if netlab.Poll(patience, func() bool { return p.ended() || cond() }) && !p.ended() {
		return nil
	}
	state := fmt.Sprintf("timed out after %v waiting for %s", patience, what)
	if p.ended() {
		state = fmt.Sprintf("%s ended, %v, while waiting for %s", p.name, p.cmd.ProcessState, what)
	}
	return fmt.Errorf("%s; the end of its log:\n%s", state, tail(p.log, 25, func(string) bool { return true }))
}

// tail returns the last n lines of a file that the function likes.
func tail(file string, n int, like func(string) bool) string {
	f, err := os.Open(file)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	var lines []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if like(s.Text()) {
			lines = append(lines, s.Text())
			lines = lines[max(0, len(lines)-n):]
		}
	}
	return strings.Join(lines, "\n")
}

// troubles returns what the parts complained of last, for a test that failed.
func (c *Cluster) troubles() string {
	files, _ := filepath.Glob(filepath.Join(c.Logs, "*.log"))
	slices.Sort(files)
	var b strings.Builder
	fmt.Fprintf(&b, "The last errors in the logs of the cluster, %s (%s=DIR keeps them in another folder):\n", c.Logs, envLogs)
	for _, file := range files {
		text := tail(file, 5, func(line string) bool {
			// klog's errors are "E0102 ...", fatal ones "F0102 ...".
			return len(line) > 5 && (line[0] == 'E' || line[0] == 'F') && line[1] >= '0' && line[1] <= '9' ||
				strings.Contains(line, "level=error") || strings.Contains(line, "level=fatal") ||
				strings.HasPrefix(line, "panic:")
		})
		if text != "" {
			fmt.Fprintf(&b, "-- %s\n%s\n", filepath.Base(file), text)
		}
	}
	return b.String()
}
