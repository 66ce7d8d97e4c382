package agent_test

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// kept makes the agent one that leaves its routes to the next.
func (r *rig) kept(o agent.Options) agent.Options {
	r.t.Helper()
	if err := o.Kernel.Close(); err != nil {
		r.t.Fatal(err)
	}
	k, err := r.host.OpenKept(0, false)
	if err != nil {
		r.t.Fatal(err)
	}
	o.Kernel = k
	o.Leave = func() bool { return true }
	return o
}

const kept = "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0\nmroute from a0 source 10.0.0.1 group 225.2.2.2 to b0\nmgroup from a0 group 225.1.1.1\n"

// What an agent leaves flows on. The next one takes away what its file does not
// say any more.
func TestLeave(t *testing.T) {
	r := newRig(t, kept)
	r.start(r.kept(r.options()))
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	is(t, "left", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
	is(t, "groups left", len(r.host.Memberships("a0")), 1)
	r.write("conf", "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0\n")
	r.start(r.successor())
	is(t, "still there", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
	is(t, "no longer wanted", r.out("a0", "10.0.0.1", "225.2.2.2"), "-")
	is(t, "groups", len(r.host.Memberships("a0")), 0)
	is(t, "told", strings.Contains(r.log.String(), "Found 2 entries and 2 interfaces in the IPv4 table"), true)
}

// successor are the options of an agent that comes after one.
func (r *rig) successor() agent.Options {
	r.t.Helper()
	k, err := r.host.OpenKept(0, false)
	if err != nil {
		r.t.Fatal(err)
	}
	o := r.base()
	o.Kernel = k
	return o
}

// Who does not leave anything empties the table, whoever came before.
func TestLeaveNothing(t *testing.T) {
	r := newRig(t, kept)
	r.start(r.kept(r.options()))
	_ = r.stop()
	r.start(r.successor())
	_ = r.stop()
	is(t, "left", r.out("a0", "10.0.0.1", "225.1.1.1"), "-")
	is(t, "groups left", len(r.host.Memberships("a0")), 0)
}

// A configuration that cannot be read takes nothing away, until it can.
func TestHoldsWithoutConfiguration(t *testing.T) {
	r := newRig(t, kept)
	r.start(r.kept(r.options()))
	_ = r.stop()
	o := r.successor()
	o.ConfFile = r.path("missing")
	r.log.Take()
	r.start(o)
	const line = "The kernel holds routes from before: they stay as they are until"
	is(t, "held", r.out("a0", "10.0.0.1", "225.2.2.2"), "b0")
	_ = r.Reload(t.Context())
	is(t, "held", r.out("a0", "10.0.0.1", "225.2.2.2"), "b0")
	is(t, "groups", len(r.host.Memberships("a0")), 1)
	is(t, "told once", strings.Count(r.log.String(), line), 1)
	r.write("missing", "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0\n")
	if err := r.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	is(t, "still there", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
	is(t, "no longer wanted", r.out("a0", "10.0.0.1", "225.2.2.2"), "-")
	is(t, "groups", len(r.host.Memberships("a0")), 0)
}

// Without anything that is held a missing file is as good as an empty one: flows
// get their answers.
func TestNoConfigurationAndNothingHeld(t *testing.T) {
	r := newRig(t, "-")
	r.start(r.options())
	if err := r.Handle(t.Context(), ipc.Request{Command: ipc.Add, Args: []string{"a0", "225.9.9.9", "b0"}}, io.Discard); err != nil {
		t.Fatal(err)
	}
	r.host.Send("a0", flow("10.0.0.1", "225.1.1.1"), 64, r.host.Now())
	r.await("a stop filter", func() bool {
		snap, err := r.Snapshot(t.Context(), false)
		return err == nil && len(snap.Entries) == 1 && snap.Entries[0].Kind == mroute.StopFilter
	})
	is(t, "told", strings.Contains(r.log.String(), "holds routes from before"), false)
}

// An agent waits for the layers that it was told of.
func TestAwait(t *testing.T) {
	r := newRig(t, kept)
	r.start(r.kept(r.options()))
	_ = r.stop()
	r.write("conf", "")
	o := r.successor()
	o.Await = []string{"kubernetes"}
	r.start(o)
	is(t, "held", r.out("a0", "10.0.0.1", "225.2.2.2"), "b0")
	r.setLayer("225.1.1.1")
	is(t, "wanted", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
	is(t, "no longer wanted", r.out("a0", "10.0.0.1", "225.2.2.2"), "-")
}

func openKept(h *sim.Host, table uint32) (*sim.Kernel, error) { return h.OpenKept(table, false) }

// Routers leave what is wanted to the next, and it adopts that place by place.
// What is not wanted any more is emptied.
func TestRoutersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := true
		hosts := newFleet(t).hosts
		for _, h := range hosts {
			for _, k := range h.Kernels() {
				_ = k.Close()
			}
		}
		a := newFleetOn(t, hosts, func() bool { return leave }, openKept)
		a.start()
		a.set(layers{node: layer("225.2.2.2", "225.2.2.3"), lan2: layer("225.3.3.3"), pod1: layer("225.4.4.4"), pod2: layer("225.5.5.5")})
		a.set(layers{node: layer("225.2.2.2", "225.2.2.3"), lan2: layer("225.3.3.3"), pod1: layer("225.4.4.4", "225.4.4.5")})
		is(t, "emptied", a.out(pod2, "225.5.5.5"), "-")
		a.stop()
		is(t, "left by main", a.out(node, "225.2.2.2"), "b0")
		is(t, "left in another table", a.out(lan2, "225.3.3.3"), "b0")
		is(t, "left in a pod", a.out(pod1, "225.4.4.5"), "b0")
		is(t, "emptied", a.out(pod2, "225.5.5.5"), "-")

		b := newFleetOn(t, hosts, func() bool { return leave }, openKept)
		b.start()
		synctest.Wait()
		is(t, "held", b.out(node, "225.2.2.3"), "b0")
		b.set(layers{node: layer("225.2.2.2"), pod1: layer("225.4.4.4")})
		synctest.Wait()
		is(t, "main's", b.out(node, "225.2.2.2")+b.out(node, "225.2.2.3"), "b0-")
		is(t, "a pod's", b.out(pod1, "225.4.4.4")+b.out(pod1, "225.4.4.5"), "b0-")
		is(t, "nobody's", b.out(lan2, "225.3.3.3"), "b0") // for Discard
		b.stop()

		// That nothing is wanted is known, too, when it has been said.
		leave = false
		c := newFleetOn(t, hosts, func() bool { return leave }, openKept)
		c.start()
		synctest.Wait()
		is(t, "held", c.out(node, "225.2.2.2"), "b0")
		c.set(nil)
		synctest.Wait()
		is(t, "not wanted", c.out(node, "225.2.2.2"), "-")
		c.stop()
	})
}
