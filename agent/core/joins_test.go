package core_test

import (
	"testing"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// While many groups are being joined, packets are answered without a further
// join, and what changes meanwhile counts.
func TestChangesWhileJoining(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.state.Limits(1000, 2)
	r.busy = true
	r.conf("mgroup from a0 group 225.1.1.0/29", "mroute from a0 group 239.1.1.1 to b0")
	is(t, "joined at first", len(r.host.Memberships("a0")), 2)
	sg := flow("10.0.0.1 239.1.1.1")
	r.send("a0", sg)
	is(t, "outputs", r.out("a0", sg), "b0")
	is(t, "joined with a flow learned", len(r.host.Memberships("a0")), 2)

	r.ctl("leave a0 225.1.1.0/29")
	r.ctl("join a0 225.2.2.2")
	r.goOn()
	same(t, "memberships", r.listed("a0"), "(*, 225.2.2.2)")
	same(t, "pending", r.pending())
}

// A link that vanishes, and one of the same name and index that comes later, are
// two, also if nobody told that the first was gone and other leaves wait.
func TestJoinsOfALinkThatVanished(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.state.Limits(1000, 2)
	r.conf("mgroup from b0 group 225.1.1.0/29", "mgroup from a0 group 225.2.2.0/30")
	var a0 mroute.Link
	for _, l := range r.host.Links() {
		if l.Name == "a0" {
			a0 = l
		}
	}
	r.busy = true
	r.host.DeleteLink("a0")
	r.readLinks()
	r.host.Insert(a0)
	r.readLinks()
	r.goOn()
	same(t, "memberships", r.listed("a0"), "(*, 225.2.2.0)", "(*, 225.2.2.1)", "(*, 225.2.2.2)", "(*, 225.2.2.3)")
}

// What clients join beyond the limit has to wait, and comes when there is room.
func TestClientsBeyondTheLimit(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.state.Limits(6, 0)
	r.conf("mgroup from a0 group 225.1.1.0/30")
	r.ctl("join b0 225.2.2.0/30")
	is(t, "joined", len(r.state.Snapshot(r.now, nil).Joined), 6)
	is(t, "pending", len(r.pending()), 1)
	r.step(core.SetLayer{Layer: mroute.Layer{Name: "file"}})
	same(t, "memberships", r.listed("b0"), "(*, 225.2.2.0)", "(*, 225.2.2.1)", "(*, 225.2.2.2)", "(*, 225.2.2.3)")
	same(t, "pending", r.pending())
}

// listed are the memberships on a link in the kernel.
func (r *router) listed(link string) (ms []string) {
	for _, sg := range r.host.Memberships(link) {
		ms = append(ms, sg.String())
	}
	return ms
}
