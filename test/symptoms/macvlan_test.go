package symptoms

import (
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// A pod with a macvlan interface on the node's link hears what comes from the
// network if it has joined, and never what the node sends there, forwarded
// packets among it: the kernel keeps parent and children apart.
//
//	sender:eth0 ---- in:node:out ---- eth0:receiver
//	                         |
//	                        net1:pod      (macvlan)
func TestMacvlan(t *testing.T) {
	l := newLab(t)
	pod := netlab.New(t)
	l.node.Macvlan("out", pod, "net1")
	sg, back := flow("192.0.2.1", "239.1.1.1"), flow("192.0.2.2", "239.1.1.2")
	l.start(l.node, line(sg, "in", "out"))
	s := l.socket(pod, false)
	for _, group := range []mroute.SG{sg, back} {
		if err := s.join("net1", group.Group); err != nil {
			t.Fatal(err)
		}
	}
	heard := pod.Capture("net1")
	l.passes(sg) // to the receiver
	l.receiver.Send("eth0", netlab.Packet{Src: back.Source, Group: back.Group})
	heard.Await(back, 1, deadline)
	if n := heard.Count(sg); n != 0 {
		t.Errorf("the pod got %d packets that its node forwarded, want none", n)
	}
}
