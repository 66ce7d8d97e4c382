package manifests

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func (l *lab) ring() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *lab) statusFiles() (names []string) {
	entries, err := os.ReadDir(l.status)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

const goodStatus = `apiVersion: multicast.smcroute.io/v1alpha1
kind: MulticastRoute
metadata:
  generation: 1
  name: a
  namespace: default
  uid: UID
status:
  conditions:
  - lastTransitionTime: "TIME"
    message: The route is valid and permitted
    observedGeneration: 1
    reason: Accepted
    status: "True"
    type: Accepted
  - lastTransitionTime: "TIME"
    message: The route is in the kernel of the selected node
    observedGeneration: 1
    reason: Programmed
    status: "True"
    type: Programmed
  counters:
    bytes: 0
    flows: 0
    packets: 0
    wrongInterface: 0
  nodes:
    failed: 0
    matched: 1
    programmed: 1
  observedGeneration: 1
  summary:
    from: eth0
    programmed: 1/1
`

func TestStatus(t *testing.T) {
	l := newLab(t)
	l.write("a.yaml", route("a", "eth0")+group("b", "eth0"))
	l.start()
	got := l.await("mcroute.default.a.yaml", "programmed: 1/1")
	_, since, _ := strings.Cut(got, "lastTransitionTime: \"")
	since, _, _ = strings.Cut(since, "\"")
	uid := string(Key{"MulticastRoute", "default", "a"}.uid())
	if want := strings.NewReplacer("TIME", since, "UID", uid).Replace(goodStatus); got != want {
		t.Errorf("the status is\n%s\nwant\n%s", got, want)
	}
	if got := l.await("mcns.edge-1.yaml", "kind: MulticastNodeState", "name: a", "name: b"); strings.Contains(got, "null") {
		t.Errorf("the node's state is\n%s", got)
	}
	l.await("mcgroup.default.b.yaml", "programmed: 1/1")

	// Only what is another one is written.
	file := func(name string) os.FileInfo {
		info, err := os.Stat(filepath.Join(l.status, name))
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	before := file("mcgroup.default.b.yaml")
	l.programmer.set(func() { l.programmer.packets = 7 })
	l.ring()
	l.await("mcroute.default.a.yaml", "packets: 7")
	if !os.SameFile(before, file("mcgroup.default.b.yaml")) {
		t.Error("the group's status was written, too")
	}

	l.programmer.set(func() { l.programmer.reason["b"] = "InterfaceNotFound" })
	l.ring()
	l.await("mcgroup.default.b.yaml", "programmed: 0/1", "edge-1: because", "reason: InterfaceNotFound")

	// The object's status goes with it, and others' files stay.
	for _, name := range []string{"mcgroup.yaml.bak", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(l.status, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l.write("a.yaml", route("c", "eth0"))
	l.await("mcroute.default.c.yaml", "programmed: 1/1")
	l.stop()
	want := []string{"mcgroup.yaml.bak", "mcns.edge-1.yaml", "mcroute.default.c.yaml", "notes.txt"}
	if got := l.statusFiles(); !slices.Equal(got, want) {
		t.Errorf("the files are %q, want %q", got, want)
	}
}

// What is wrong in a file is in the status, and so is what is in effect.
func TestStatusOfBadDocuments(t *testing.T) {
	l := newLab(t)
	l.write("a.yaml", route("a", "eth0"))
	l.start()
	l.await("mcroute.default.a.yaml", "programmed: 1/1")
	l.write("a.yaml", route("a", "[]")+route("b", "{}"))
	l.await("mcroute.default.a.yaml",
		"message: 'a.yaml:6: spec.from.interface: ", "the last good version, generation 1",
		"reason: Invalid", "message: The route is in the kernel of the selected node", "programmed: 1/1")
	got := l.await("mcroute.default.b.yaml", "a.yaml:13: spec.from.interface")
	if n := strings.Count(got, "reason: Invalid"); n != 2 || !strings.Contains(got, "matched: 0") ||
		strings.Index(got, "type: Programmed") < strings.Index(got, "type: Accepted") {
		t.Errorf("the status is\n%s", got)
	}
	l.write("a.yaml", route("a", "eth1"))
	l.await("mcroute.default.a.yaml", "observedGeneration: 2", "reason: Accepted")
}

// A new agent goes on where the last one ended: with its counters, and with the
// times since when the conditions hold.
func TestStatusOfEarlierAgent(t *testing.T) {
	l := newLab(t)
	l.write("a.yaml", route("a", "eth0"))
	l.start()
	l.await("mcns.edge-1.yaml", "name: a")
	l.stop()
	if l.programmer.loaded != nil {
		t.Error("an earlier report was loaded, but there was none")
	}

	name := filepath.Join(l.status, "mcroute.default.a.yaml")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	_, since, _ := strings.Cut(string(text), "lastTransitionTime: \"")
	since, _, _ = strings.Cut(since, "\"")
	const old = "2020-02-03T04:05:06Z"
	if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(text), since, old)), 0o600); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(l.status, "mcgroup.default.gone.yaml")
	if err := os.WriteFile(stale, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l.start(func(o *Options) { o.Programmer.(*fakeProgrammer).packets = 9 })
	if got := l.await("mcroute.default.a.yaml", "packets: 9"); strings.Count(got, old) != 2 {
		t.Errorf("the conditions do not hold since %s:\n%s", old, got)
	}
	if l.programmer.loaded == nil || len(l.programmer.loaded.Routes) != 1 {
		t.Errorf("loaded was %+v", l.programmer.loaded)
	}
	l.stop()
	if _, err := os.Stat(stale); err == nil {
		t.Error("the status of an object that is gone was left")
	}
}

// Files of hostile contents where the status of an earlier agent is looked for.
func TestStatusGarbage(t *testing.T) {
	l := newLab(t)
	l.write("a.yaml", route("a", "eth0"))
	for _, name := range []string{"mcns.edge-1.yaml", "mcroute.default.a.yaml"} {
		if err := os.WriteFile(filepath.Join(l.status, name), []byte("status: [&a {b: *a}\n\x00"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l.start()
	l.await("mcroute.default.a.yaml", "programmed: 1/1")
	l.await("mcns.edge-1.yaml", "name: a")
}

// What is in the way of a file is replaced, and not what it leads to.
func TestStatusLink(t *testing.T) {
	l := newLab(t)
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mcroute.default.a.yaml", ".new.mcroute.default.a.yaml"} {
		if err := os.Symlink(victim, filepath.Join(l.status, name)); err != nil {
			t.Fatal(err)
		}
	}
	l.write("a.yaml", route("a", "eth0"))
	l.start()
	l.await("mcroute.default.a.yaml", "programmed: 1/1")
	if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
		t.Errorf("it is %q now, %v", text, err)
	}
}

// A status directory that cannot be written to is said once, and not the end.
func TestStatusCannotBeWritten(t *testing.T) {
	l := newLab(t)
	l.write("a.yaml", route("a", "eth0"))
	l.start(func(o *Options) { o.ReportInterval = 10 * time.Millisecond })
	l.await("mcroute.default.a.yaml", "programmed: 1/1")
	// In one step, as the agent goes on making files in it.
	if err := os.Rename(l.status, l.status+".gone"); err != nil {
		t.Fatal(err)
	}
	l.awaitLog("could not be written")
	if err := os.Mkdir(l.status, 0o755); err != nil {
		t.Fatal(err)
	}
	l.await("mcroute.default.a.yaml", "programmed: 1/1")
	l.stop()
	// A directory that goes between being listed and being written to fails in two ways.
	failures := l.log.lines("could not be written")
	if all := slices.Clone(failures); len(slices.Compact(all)) < len(failures) || len(failures) > 2 {
		t.Errorf("a failure is told again: %q", failures)
	}
	if n := l.log.Count("could be written again"); n != 1 {
		t.Errorf("%d lines of success, want 1", n)
	}
}

func TestStatusFileNames(t *testing.T) {
	long := strings.Repeat("a", 253)
	seen := map[string]bool{}
	for _, k := range []Key{
		{"MulticastRoute", "a-b", "c"}, {"MulticastRoute", "a", "b-c"}, {"MulticastRoute", "a", "b.c"},
		{"MulticastGroup", "a", "b.c"}, {"MulticastRoute", "a", long}, {"MulticastRoute", "a", long[1:] + "b"},
		{"MulticastGroup", strings.Repeat("b", 63), long},
	} {
		name := statusFile(k)
		if seen[name] || len(temporary+name) > 255 || !isStatusFile(name) || !isStatusFile(temporary+name) {
			t.Errorf("%v: %s", k, name)
		}
		seen[name] = true
	}
}
