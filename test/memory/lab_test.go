package memory

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

func TestMain(m *testing.M) { programs.Main(m) }

const (
	deadline = 60 * time.Second
	routes   = 100_000
)

// daemon is smcrouted with many routes, between links that lead nowhere.
type daemon struct {
	*testing.T
	node            *netlab.NS
	socket, metrics string
	page            string // address in the node's namespace
	process         *programs.Process
}

// start starts it with routes from "in" to "out", and returns when all are in the kernel.
func start(t *testing.T) *daemon { return startAmong(t, "in", "out") }

// startAmong does that with links, and routes from each to the next; from the last there
// is none.
func startAmong(t *testing.T, links ...string) *daemon {
	t.Helper()
	if programs.Race() {
		t.Skip("the race detector takes several times the memory: run it without -race")
	}
	node, dir := netlab.New(t), t.TempDir()
	for _, name := range links {
		node.Veth(name, node, "x"+name)
	}
	d := &daemon{T: t, node: node, socket: filepath.Join(dir, "sock"), metrics: filepath.Join(dir, "metrics"), page: "127.0.0.1:8080"}
	conf, pid := filepath.Join(dir, "conf"), filepath.Join(dir, "pid")
	var b strings.Builder
	for i := range routes {
		x, y, z := i>>16, i>>8&255, i&255
		from := i % (len(links) - 1)
		fmt.Fprintf(&b, "mroute from %s source 10.%d.%d.%d group 232.%d.%d.%d to %s\n", links[from], x, y, z, x, y, z, links[from+1])
	}
	if err := os.WriteFile(conf, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := node.Command("smcrouted", "-n", "-f", conf, "-P", pid, "-u", d.socket, "--metrics", "unix://"+d.metrics, "--ui", d.page)
	d.process = programs.RunDaemon(t, cmd, pid, deadline)
	return d
}

// status is what the kernel tells of the process.
func (d *daemon) status() procfs.ProcStatus {
	d.Helper()
	p, err := procfs.NewProc(d.process.PID())
	if err != nil {
		d.Fatal(err)
	}
	s, err := p.NewStatus()
	if err != nil {
		d.Fatal(err)
	}
	return s
}

// peak is the most memory that is resident while f runs, in bytes.
func (d *daemon) peak(what string, f func()) uint64 {
	d.Helper()
	// 5: VmHWM begins anew (proc_pid_clear_refs(5)).
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", d.process.PID()), []byte("5"), 0); err != nil {
		d.Fatal(err)
	}
	before := d.status()
	f()
	after := d.status()
	d.Logf("%s: %d KiB before, at most %d", what, before.VmRSS>>10, after.VmHWM>>10)
	return after.VmHWM
}

// atMost complains about a peak.
func (d *daemon) atMost(mib uint64, what string, f func()) {
	d.Helper()
	if peak := d.peak(what, f); peak > mib<<20 {
		d.Errorf("%s: %d KiB at most, want %d", what, peak>>10, mib<<10)
	}
}

// add adds a route.
func (d *daemon) add(source string) {
	d.Helper()
	if out, err := d.node.Command("smcroutectl", "-u", d.socket, "add", "in", source, "232.200.0.1", "out").CombinedOutput(); err != nil {
		d.Fatalf("%v: %s", err, out)
	}
}

// get asks over a connection, and returns a line of the answer's body that begins with
// something, or "".
func get(t *testing.T, conn net.Conn, path, prefix string) (line string) {
	t.Helper()
	defer conn.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8080"+path, nil)
	if err == nil {
		r.Close = true
		err = r.Write(conn)
	}
	if err != nil {
		t.Fatal(err)
	}
	a, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, a.Status)
	}
	lines := bufio.NewScanner(a.Body)
	lines.Buffer(nil, 1<<30)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), prefix) {
			line = lines.Text()
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return line
}
