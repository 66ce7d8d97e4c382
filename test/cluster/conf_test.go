package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// A smcroute.conf of old comes with the chart's values, and its routes forward
// on every node. Another text is read with no restart, and a line that is
// wrong hurts no other.
func TestLegacyConf(t *testing.T) {
	s := start(t)
	forwards := func(group string) {
		t.Helper()
		source := addr(s.studio.source(group))
		for _, n := range s.Nodes {
			capture := n.NS.Capture("eth2")
			s.await(n.Name+" forwards "+group, func() bool {
				s.studio.Send("eth0", netlab.Packet{Src: source, Group: addr(group)})
				return capture.Flow(netlab.Out, mroute.SG{Source: source, Group: addr(group)}).Packets > 0
			})
			capture.Stop()
		}
	}
	forwards("239.99.1.1")
	before := s.agent(s.Nodes[0])

	conf := filepath.Join(t.TempDir(), "smcroute.conf")
	text := "mroute from eth1 group 239.99.1.1 to eth2\nmroute nonsense\nmroute from eth1 group 239.99.2.2 to eth2\nmgroup from eth1 group 239.99.2.2\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s.upgrade("--set-file", "agent.conf="+conf)
	forwards("239.99.2.2")
	t.Logf("the new text forwards %v after helm upgrade", since(began))
	for _, n := range s.Nodes {
		if out := s.smcroutectl(n, "show"); !strings.Contains(out, "239.99.1.1") || !strings.Contains(out, "239.99.2.2") {
			t.Errorf("%s does not have both routes:\n%s", n.Name, out)
		}
	}
	after := s.agent(s.Nodes[0])
	if after.UID != before.UID || after.Status.ContainerStatuses[0].RestartCount != before.Status.ContainerStatuses[0].RestartCount {
		t.Errorf("the agent was started anew")
	}
	if out := s.Kubectl("logs", "-n", release, after.Name, "-c", "agent"); !strings.Contains(out, "smcroute.conf:2:") {
		t.Errorf("the log does not tell of line 2:\n%s", out)
	}
}
