package manifests

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/dirwatch"
	"github.com/smcroute/kube-smcroute/controllers/node"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// deadline is how long anything may take that should happen at once.
const deadline = 20 * time.Second

// fakeProgrammer has every object programmed, or as told.
type fakeProgrammer struct {
	worlds chan node.World

	mu      sync.Mutex
	world   node.World
	err     error // of Program
	reason  map[string]string
	packets int64
	loaded  *v1alpha1.MulticastNodeStateStatus
}

func newProgrammer() *fakeProgrammer {
	return &fakeProgrammer{worlds: make(chan node.World, 100), reason: map[string]string{}}
}

func (p *fakeProgrammer) Program(_ context.Context, w node.World) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.world = w
	select {
	case p.worlds <- w:
	default: // tried again and again, and the test is slow
	}
	return p.err
}

func (p *fakeProgrammer) Load(s *v1alpha1.MulticastNodeStateStatus) { p.loaded = s }

func (p *fakeProgrammer) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *fakeProgrammer) Report(context.Context) (*v1alpha1.MulticastNodeStateStatus, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &v1alpha1.MulticastNodeStateStatus{}
	state := func(namespace, name, uid string, generation int64) v1alpha1.ObjectState {
		o := v1alpha1.ObjectState{Namespace: namespace, Name: name, UID: uid, Generation: generation, Reason: v1alpha1.ReasonProgrammed}
		if r := p.reason[name]; r != "" {
			o.Reason, o.Message = r, "because"
		}
		return o
	}
	for _, r := range p.world.Routes {
		o := state(r.Namespace, r.Name, string(r.UID), r.Generation)
		o.Counters = &v1alpha1.Counters{Packets: p.packets}
		s.Routes = append(s.Routes, o)
	}
	for _, g := range p.world.Groups {
		s.Groups = append(s.Groups, state(g.Namespace, g.Name, string(g.UID), g.Generation))
	}
	return s, nil
}

// lab is a running Run.
type lab struct {
	t           *testing.T
	dir, status string
	programmer  *fakeProgrammer
	changed     chan struct{}
	log         *logText
	stop        func()
}

// logText is what was logged.
type logText struct{ programs.Output }

// lines are those with a text, without their time.
func (l *logText) lines(text string) (lines []string) {
	for line := range strings.Lines(l.String()) {
		if _, line, _ = strings.Cut(line, " "); strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return lines
}

func newLab(t *testing.T) *lab {
	return &lab{t: t, dir: t.TempDir(), status: t.TempDir(), changed: make(chan struct{}, 1)}
}

func (l *lab) start(change ...func(*Options)) {
	l.t.Helper()
	l.programmer, l.log = newProgrammer(), &logText{}
	o := Options{
		Dir: l.dir, StatusDir: l.status,
		Programmer: l.programmer, Changed: l.changed,
		NodeName: "edge-1", NodeLabels: map[string]string{"site": "studio"},
		ReportInterval: time.Hour, RereadInterval: time.Hour,
		Logger: slog.New(slog.NewTextHandler(l.log, nil)),
	}
	for _, f := range change {
		f(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, o) }()
	l.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Error(err)
		}
	})
	l.t.Cleanup(l.stop)
}

func (l *lab) write(name, text string) {
	l.t.Helper()
	if err := writeInPlace(filepath.Join(l.dir, name), text); err != nil {
		l.t.Fatal(err)
	}
}

// writeInPlace writes a file that may be there. If it does not get shorter it is never in
// between: an empty one, which lasts on a busy machine, gives up what was asked for.
func writeInPlace(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Truncate(int64(len(text))), f.Close())
}

// awaitWorld waits for a world with these objects: "default/a@1 default/b@2",
// the number being the generation.
func (l *lab) awaitWorld(want string) node.World {
	l.t.Helper()
	timeout := time.After(deadline)
	last := "none"
	for {
		select {
		case w := <-l.programmer.worlds:
			if last = describe(w); last == want {
				return w
			}
		case <-timeout:
			l.t.Fatalf("timed out waiting for %q; the last world had %q; log:\n%s", want, last, l.log.String())
		}
	}
}

func describe(w node.World) string {
	var words []string
	for _, r := range w.Routes {
		words = append(words, fmt.Sprintf("%s/%s@%d", r.Namespace, r.Name, r.Generation))
	}
	for _, g := range w.Groups {
		words = append(words, fmt.Sprintf("%s/%s@%d", g.Namespace, g.Name, g.Generation))
	}
	return strings.Join(words, " ")
}

// await waits until a status file has all of the texts.
func (l *lab) await(name string, texts ...string) string {
	l.t.Helper()
	var text []byte
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		text, _ = os.ReadFile(filepath.Join(l.status, name))
		found := text != nil
		for _, s := range texts {
			found = found && strings.Contains(string(text), s)
		}
		if found {
			return string(text)
		}
	}
	l.t.Fatalf("timed out waiting for %q in %s:\n%s\nlog:\n%s", texts, name, text, l.log.String())
	return ""
}

// awaitLog waits for a text in the log.
func (l *lab) awaitLog(text string) {
	l.t.Helper()
	for end := time.Now().Add(deadline); l.log.Count(text) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("timed out waiting for %q in the log", text)
		}
	}
}

func group(name, iface string) string {
	return fmt.Sprintf(`---
apiVersion: multicast.smcroute.io/v1alpha1
kind: MulticastGroup
metadata: {name: %s}
spec:
  interface: %s
  groups: ["225.1.2.3"]
`, name, iface)
}

func route(name, iface string) string {
	return fmt.Sprintf(`---
apiVersion: multicast.smcroute.io/v1alpha1
kind: MulticastRoute
metadata: {name: %s}
spec:
  from: {interface: %s}
  groups: ["225.1.2.3"]
`, name, iface)
}

// Each way to change a file is noticed, without the help of RereadInterval.
func TestChanges(t *testing.T) {
	l := newLab(t)
	l.write("a.yaml", group("a", "eth0"))
	l.start()
	w := l.awaitWorld("default/a@1")
	if w.Node.Name != "edge-1" || w.Node.Labels["site"] != "studio" || w.Node.Labels["kubernetes.io/hostname"] != "edge-1" {
		t.Errorf("the node is %v", w.Node.ObjectMeta)
	}

	l.write("b.yaml", group("b", "eth0"))
	l.awaitWorld("default/a@1 default/b@1")
	l.write("a.yaml", group("a", "eth1"))
	l.awaitWorld("default/a@2 default/b@1")

	// As many editors write.
	l.write("b.yaml~", group("b", "eth2")+group("c", "eth2"))
	if err := os.Rename(filepath.Join(l.dir, "b.yaml~"), filepath.Join(l.dir, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	l.awaitWorld("default/a@2 default/b@2 default/c@1")
	if err := os.Remove(filepath.Join(l.dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	l.awaitWorld("default/b@2 default/c@1")

	// What does not count.
	for _, name := range []string{".d.yaml", "d.txt", "yaml"} {
		l.write(name, group("d", "eth0"))
	}
	if err := os.MkdirAll(filepath.Join(l.dir, "d.yaml", "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	l.write("e.yml", group("e", "eth0"))
	l.awaitWorld("default/b@2 default/c@1 default/e@1")
}

// Kubernetes' volumes of ConfigMaps swap a symbolic link.
func TestConfigMap(t *testing.T) {
	l := newLab(t)
	publish := func(version, text string) {
		t.Helper()
		dir := filepath.Join(l.dir, "..v"+version)
		if err := errors.Join(
			os.Mkdir(dir, 0o755),
			os.WriteFile(filepath.Join(dir, "routes.yaml"), []byte(text), 0o600),
			os.Symlink("..v"+version, filepath.Join(l.dir, "..data_tmp")),
			os.Rename(filepath.Join(l.dir, "..data_tmp"), filepath.Join(l.dir, "..data")),
		); err != nil {
			t.Fatal(err)
		}
	}
	publish("1", group("a", "eth0"))
	if err := os.Symlink("..data/routes.yaml", filepath.Join(l.dir, "routes.yaml")); err != nil {
		t.Fatal(err)
	}
	l.start()
	l.awaitWorld("default/a@1")
	publish("2", group("a", "eth1"))
	l.awaitWorld("default/a@2")
}

// While the directory is away, what was asked for last stays. Another one at its
// place is as good.
func TestDirectoryAway(t *testing.T) {
	l := newLab(t)
	l.write("a.yaml", group("a", "eth0"))
	l.start(func(o *Options) { o.RereadInterval = 20 * time.Millisecond })
	l.awaitWorld("default/a@1")
	if err := os.Rename(l.dir, l.dir+".away"); err != nil {
		t.Fatal(err)
	}
	l.awaitLog("what was asked for last stays in effect")
	if err := os.Mkdir(l.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l.write("b.yaml", group("b", "eth0"))
	l.awaitWorld("default/b@1")
	if n := l.log.Count("cannot be read"); n != 1 {
		t.Errorf("%d lines tell that the directory cannot be read, want 1", n)
	}
}

// Without inotify there is still the slow way.
func TestReread(t *testing.T) {
	l := newLab(t)
	target := filepath.Join(t.TempDir(), "target.yaml")
	if err := errors.Join(os.WriteFile(target, []byte(group("a", "eth0")), 0o600), os.Symlink(target, filepath.Join(l.dir, "a.yaml"))); err != nil {
		t.Fatal(err)
	}
	l.start(func(o *Options) { o.RereadInterval = 20 * time.Millisecond })
	l.awaitWorld("default/a@1")
	if err := writeInPlace(target, group("a", "eth1")); err != nil {
		t.Fatal(err)
	}
	l.awaitWorld("default/a@2")
}

// A file that is being written is not taken for the whole: nothing that is in it
// before and after is given up in between.
func TestHalfWritten(t *testing.T) {
	l := newLab(t)
	l.write("a.yaml", group("a", "eth0")+group("b", "eth0"))
	l.start(func(o *Options) { o.RereadInterval = time.Millisecond })
	l.awaitWorld("default/a@1 default/b@1")
	f, err := os.Create(filepath.Join(l.dir, "a.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	last := time.Now()
	for _, part := range []string{group("a", "eth0"), group("b", "eth0"), group("c", "eth0")} {
		// A writer that takes its time, though less than settle.
		time.Sleep(dirwatch.Settle / 4)
		if _, err := f.WriteString(part); err != nil {
			t.Fatal(err)
		}
		if pause := time.Since(last); pause > dirwatch.Settle*3/4 {
			t.Skipf("the writer came to a halt for %v, as the machine is busy; run this on one that is not", pause)
		}
		last = time.Now()
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := describe(<-l.programmer.worlds); got != "default/a@1 default/b@1 default/c@1" {
		t.Errorf("the next world has %q", got)
	}
}

// However long it takes to read the files.
func TestUnsettled(t *testing.T) {
	from := time.Now()
	to := from.Add(time.Minute)
	for _, tt := range []struct {
		name    string
		written time.Time
		want    bool
	}{
		{"long before", from.Add(-dirwatch.Settle), false},
		{"a moment before", from.Add(-dirwatch.Settle / 2), true},
		{"while they were read", from.Add(time.Second), true},
		{"at the end", to, true},
		{"in the future", to.Add(time.Second), false},
	} {
		if got := unsettled([]file{{time: from.Add(-time.Hour)}, {time: tt.written}}, from, to); got != tt.want {
			t.Errorf("a file written to %s is unsettled: %v", tt.name, got)
		}
	}
}

func TestEmptied(t *testing.T) {
	full := []file{{name: "a.yaml", text: []byte("a")}, {name: "b.yaml"}}
	for _, tt := range []struct {
		name  string
		files []file
		want  bool
	}{
		{"as it was", full, false},
		{"cut off", []file{{name: "a.yaml"}, {name: "b.yaml"}}, true},
		{"gone", []file{{name: "b.yaml"}}, false},
		{"made empty", []file{full[0], full[1], {name: "c.yaml"}}, false},
		{"not readable", []file{{name: "a.yaml", err: os.ErrPermission}}, false},
	} {
		if got := emptied(full, tt.files); got != tt.want {
			t.Errorf("a file %s: %v", tt.name, got)
		}
	}
}

// What failed is tried again, and said once.
func TestRetry(t *testing.T) {
	defer func(d time.Duration) { retryAfter = d }(retryAfter)
	retryAfter = time.Millisecond
	l := newLab(t)
	l.write("a.yaml", group("a", "eth0"))
	l.start(func(o *Options) {
		o.Programmer.(*fakeProgrammer).err = errors.New("not now")
	})
	for range 3 {
		l.awaitWorld("default/a@1")
	}
	l.programmer.set(func() { l.programmer.err = nil })
	l.awaitLog("All of the manifests could be programmed")
	l.stop()
	if n := l.log.Count("not now"); n != 1 {
		t.Errorf("%d lines of failure, want 1:\n%s", n, l.log.String())
	}
}

// Each problem is told when it comes, and its file when all are gone.
func TestLog(t *testing.T) {
	l := newLab(t)
	l.write("a.yaml", group("a", "eth0")+"---\napiVersion: v1\nkind: Service\n")
	l.start()
	l.awaitWorld("default/a@1")
	l.write("a.yaml", group("a", "[]")+"---\napiVersion: v1\nkind: Service\n")
	l.awaitWorld("default/a@1")
	l.write("b.yaml", group("b", "eth0"))
	l.awaitWorld("default/a@1 default/b@1")
	l.write("a.yaml", group("a", "eth2"))
	l.awaitWorld("default/a@2 default/b@1")
	l.stop()
	for text, want := range map[string]int{
		"a.yaml: Service of v1 is not for this program": 1,
		"level=WARN msg=\"a.yaml:6: spec.interface:":    1,
		"level=INFO+2 msg=\"a.yaml: no more problems\"": 1,
	} {
		if n := l.log.Count(text); n != want {
			t.Errorf("%d lines have %q, want %d:\n%s", n, text, want, l.log.String())
		}
	}
}

func TestCannotBegin(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	link := filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink(dir, link)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ dir, status, want string }{
		{dir + "/none", "", "none: no such file or directory"},
		{file, "", "file is not a directory"},
		{dir, dir, "that is where the manifests are"},
		{dir, link, "that is where the manifests are"},
		{dir, file, "file: not a directory"},
	} {
		err := Run(t.Context(), Options{Dir: tt.dir, StatusDir: tt.status, Programmer: newProgrammer()})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, %s: %v, want %q", tt.dir, tt.status, err, tt.want)
		}
	}
}
