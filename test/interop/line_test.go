package interop

import (
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/test/interop/program"
)

// TestLine gives add the words of a file: either client hands them to our daemon, and
// Debian's, which does not know them, refuses each and changes nothing.
func TestLine(t *testing.T) {
	ours, debian := both(t)
	const conf = "phyint eth0 enable\nphyint eth1 enable\nphyint eth2 enable\n"
	lines := []string{
		"from eth0 group 225.1.1.1 to eth1",
		"from eth0 source 192.0.2.1 group 225.1.1.2 to eth1 eth2",
		"from eth0 group 225.1.1.3 native to eth1",
		"from eth+ group 225.1.0.0/16 flows 1000 to eth2",
		"from eth0 group ff1e::1 native to eth1",
	}
	for _, client := range []program.Programs{ours, debian} {
		for _, daemon := range []program.Programs{ours, debian} {
			t.Run(client.Name+" client, "+daemon.Name+" daemon", func(t *testing.T) {
				l := newLab(t)
				l.start(daemon, conf)
				code := 0
				if daemon == debian {
					code = 1
				}
				for _, line := range lines {
					if r := l.control(client, "", append([]string{"add"}, strings.Fields(line)...)...); r.Code != code {
						t.Errorf("add %s: %+v, want exit code %d", line, r, code)
					}
				}
				got := l.control(client, "", "-t", "show", "routes").Stdout
				if listed := strings.Count(got, "225.1.") + strings.Count(got, "ff1e::1"); (listed > 0) != (code == 0) {
					t.Errorf("after that there are\n%s", got)
				}
			})
		}
	}
}
