package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// memory measures resident memory with tables of both sizes, and after floods of
// forged sources.
func (b *bench) memory(tb netlab.TB) []row {
	measure := func(s *side, d *program.Daemon) *side {
		if d != nil {
			s.resident(tb, d)
			d.Kill()
		}
		return s
	}
	few, many := b.router(tb, conf(mroute.IPv4, b.small, "")), b.router(tb, conf(mroute.IPv4, b.large, ""))
	debian := &side{}
	measure(debian, few.original(tb, b, debian))
	ours, large := measure(&side{}, few.daemon(tb, b.ours)), measure(&side{}, many.daemon(tb, b.ours))
	return append([]row{
		compare(fmt.Sprintf("resident memory, %s routes", count(float64(b.small))), mib, ours, debian, atMost(3)),
		alone(fmt.Sprintf("resident memory, %s routes", count(float64(b.large))), mib, large, atMost(100<<20)),
	}, append(b.whileAsked(tb, many), b.afterFloods(tb)...)...)
}

// whileAsked measures the peaks of a daemon with a large table while somebody asks what it
// does.
func (b *bench) whileAsked(tb netlab.TB, r *router) []row {
	socket := filepath.Join(r.dir, "metrics")
	d := r.daemon(tb, b.ours, "--metrics", "unix://"+socket)
	peak := func(what string, ask func() error) row {
		s := &side{}
		s.resident(tb, d) // when it is calm
		s.figures = nil
		// 5: the peak begins anew (proc_pid_clear_refs(5)).
		err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", d.PID()), []byte("5"), 0)
		if err == nil {
			err = ask()
		}
		if err != nil {
			tb.Fatalf("%s: %v", what, err)
		}
		s.note = ""
		s.add(float64(memory(tb, d).VmHWM))
		return alone(fmt.Sprintf("%s, %s routes: peak", what, count(float64(b.large))), mib, s, atMost(100<<20))
	}
	rows := []row{
		peak("a scrape", func() error { return scrape(socket) }),
		peak("a document", func() error {
			result, err := b.ours.Control(r.dir, "", "state")
			if err == nil && result.Code != 0 {
				err = fmt.Errorf("smcroutectl state: %s", result.Stderr)
			}
			return err
		}),
	}
	d.Kill()
	return rows
}

// scrape asks for metrics over a unix socket, and reads them all.
func scrape(socket string) error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	r, err := http.NewRequest(http.MethodGet, "http://localhost/metrics", nil)
	if err != nil {
		return err
	}
	if err := r.Write(conn); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("metrics: %s", answer.Status)
	}
	return nil
}

// afterFloods measures what stays of floods: one of sources that a rule lets
// through, and then a second of others.
func (b *bench) afterFloods(tb netlab.TB) []row {
	r := b.router(tb, conf(mroute.IPv4, 0, template))
	d := r.daemon(tb, b.ours)
	flood := func(first int) *side {
		r.newSender(tb, first, b.flood).run(tb, b.fast)
		s := &side{}
		s.resident(tb, d)
		return s
	}
	one, two := flood(0), flood(b.flood)
	one.name = "after the first"
	return []row{compare(fmt.Sprintf("resident memory after two floods of %s sources", count(float64(b.flood))), mib, two, one, atMost(1.2).as("no growth"))}
}
