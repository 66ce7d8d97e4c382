package script

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// lab is the network of one script and what runs in it.
type lab struct {
	env      *testscript.Env
	ts       *testscript.TestScript // of the command that runs
	dir      string                 // of the binaries
	ns       map[string]*netlab.NS
	daemons  map[string]*daemon // by namespace
	captures map[string]*capture
	sent     uint64 // packets so far; numbers are unique in a script

	streams  map[mroute.SG]*stream
	leaves   map[string]*netlab.Leaves
	counters map[string]map[string]uint64 // packets, by namespace and flow
}

// capture is a netlab.Capture and what recv accounted for of it.
type capture struct {
	*netlab.Capture
	claimed map[mroute.SG]netlab.Flow // as it was at the last recv
}

type labKey struct{}

func newLab(env *testscript.Env, dir string) *lab {
	l := &lab{
		env: env, dir: dir,
		ns:       map[string]*netlab.NS{},
		daemons:  map[string]*daemon{},
		captures: map[string]*capture{},
		streams:  map[mroute.SG]*stream{},
		leaves:   map[string]*netlab.Leaves{},
		counters: map[string]map[string]uint64{},
	}
	env.Values[labKey{}] = l
	env.Defer(l.finish)
	return l
}

// finish makes sure that nothing happened that the script did not expect.
func (l *lab) finish() {
	t := l.env.T().(testing.TB)
	for sg, s := range l.streams {
		if _, err := s.Stop(); err != nil {
			t.Errorf("stream of %v: %v", sg, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.captures)) {
		c := l.captures[name]
		flows := c.Flows(netlab.In)
		for _, sg := range slices.SortedFunc(maps.Keys(flows), mroute.SG.Compare) {
			if l.streams[sg] != nil {
				continue // lossless counts those
			}
			if n := flows[sg].Packets - c.claimed[sg].Packets; n > 0 && !t.Failed() {
				t.Errorf("at the end of the script: %d packets of %v arrived on %s without a recv for them", n, sg, name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.daemons)) {
		d := l.daemons[name]
		if err := d.stop(); err != nil {
			t.Errorf("smcrouted in %s: %v", name, err)
		}
		if _, err := keeperPID(l.keeper(name)); err == nil {
			if r, err := runKeeper(l, []string{name, "stop"}); err != nil {
				t.Errorf("stopping the keeper in %s: %v\n%s", name, err, r.stderr)
			}
		}
		if t.Failed() {
			t.Logf("log of smcrouted in %s:\n%s", name, d.Log.String())
		}
	}
}

// tb lets netlab end the script.
type tb struct{ l *lab }

func (b tb) Helper()                           {}
func (b tb) Cleanup(f func())                  { b.l.env.Defer(f) }
func (b tb) Logf(format string, args ...any)   { b.l.ts.Logf(format, args...) }
func (b tb) Fatalf(format string, args ...any) { b.l.ts.Fatalf(format, args...) }
func (b tb) Skipf(format string, args ...any)  { b.l.env.T().Skip(fmt.Sprintf(format, args...)) }

// namespace finds a namespace.
func (l *lab) namespace(name string) (*netlab.NS, error) {
	ns := l.ns[name]
	if ns == nil {
		return nil, usagef("there is no namespace %q: make it with netns", name)
	}
	return ns, nil
}

// iface splits NS:IF.
func (l *lab) iface(s string) (*netlab.NS, string, error) {
	name, link, ok := strings.Cut(s, ":")
	if !ok || link == "" {
		return nil, "", usagef("%q: expected NS:IF, such as R:eth0", s)
	}
	ns, err := l.namespace(name)
	return ns, link, err
}

func parseSG(source, group string) (sg mroute.SG, err error) {
	if sg.Source, err = netip.ParseAddr(source); err != nil {
		return sg, usagef("source: %v", err)
	}
	if sg.Group, err = netip.ParseAddr(group); err != nil {
		return sg, usagef("group: %v", err)
	}
	return sg, nil
}
