package interop

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

const whyForeseen = "2.6 keeps what names a missing interface until it appears, so nothing is wrong with the file (spec 4.4, defect 14)"

// TestVerdict asks both daemons with -F what they think of a file. Where ours
// differs it says why.
func TestVerdict(t *testing.T) {
	ours, debian := both(t)
	const links = "phyint eth0\nphyint eth1\n"
	for _, c := range []struct {
		name, conf   string
		debian, ours int
		why          string
	}{
		{name: "empty"},
		{name: "comments", conf: "# nothing\n\n   # more\n"},
		{name: "good", conf: links + "mgroup from eth0 group 225.1.1.1\nmroute from eth0 source 192.0.2.1 group 225.1.1.1 to eth1\nmroute from eth0 group ff1e::1 to eth1\n"},
		{name: "stop rule", conf: links + "mroute from eth0 group 225.1.1.1\n"},
		{name: "inbound among outbounds", conf: links + "mroute from eth0 group 225.1.1.1 to eth0 eth1\n"},
		{name: "include of nothing", conf: "include /nonexistent/*.conf\n"},
		{name: "joined twice", conf: links + "mgroup from eth0 group 225.1.1.1\nmgroup from eth0 group 225.1.1.1\n"},
		{name: "unknown directive", conf: "bogus\n", debian: 78, ours: 78},
		{name: "phyint without name", conf: "phyint\n", debian: 78, ours: 78},
		{name: "no group", conf: links + "mroute from eth0 to eth1\n", debian: 78, ours: 78},
		{name: "group is not multicast", conf: links + "mroute from eth0 group 10.1.1.1 to eth1\n", debian: 78, ours: 78},
		{name: "source is no address", conf: links + "mroute from eth0 source bogus group 225.1.1.1 to eth1\n", debian: 78, ours: 78},
		{name: "length of group", conf: links + "mroute from eth0 group 225.1.1.1/33 to eth1\n", debian: 78, ours: 78},
		{name: "length of source", conf: links + "mroute from eth0 source 192.0.2.1/33 group 225.1.1.1 to eth1\n", debian: 78, ours: 78},
		{name: "a bad line among good ones", conf: links + "bogus\nmroute from eth0 group 225.1.1.1 to eth1\n", debian: 78, ours: 78},
		{name: "no phyint lines", conf: "mroute from eth0 group 225.1.1.1 to eth1\n", debian: 78,
			why: "the daemon takes that, so the check does (defect 14)"},
		{name: "threshold out of range", conf: "phyint eth0 ttl-threshold 300\n", debian: 78, ours: 78},
		{name: "missing phyint", conf: "phyint nosuch enable\n", debian: 78, why: whyForeseen},
		{name: "missing inbound", conf: links + "mroute from nosuch group 225.1.1.1 to eth1\n", debian: 78, why: whyForeseen},
		{name: "missing outbound", conf: links + "mroute from eth0 group 225.1.1.1 to nosuch\n", debian: 78, why: whyForeseen},
	} {
		t.Run(c.name, func(t *testing.T) {
			if (c.debian == c.ours) != (c.why == "") {
				t.Fatalf("exit codes %d and %d, reason %q: expected a reason for a difference", c.debian, c.ours, c.why)
			}
			l := newLab(t)
			l.conf(c.conf)
			for _, p := range []struct {
				program.Programs
				want int
			}{{debian, c.debian}, {ours, c.ours}} {
				if r := inside(t, l.router, p.Smcrouted, "-F", filepath.Join(l.dir, program.ConfFile)); r.Code != p.want || r.Stderr != "" {
					t.Errorf("%s: exit code %d, want %d\nstdout: %s\nstderr: %s", p.Name, r.Code, p.want, r.Stdout, r.Stderr)
				}
			}
		})
	}
	t.Run("missing file", func(t *testing.T) {
		ns := netlab.New(t)
		for _, p := range []program.Programs{debian, ours} {
			if r := inside(t, ns, p.Smcrouted, "-F", filepath.Join(os.TempDir(), "nonexistent.conf")); r.Code != 78 {
				t.Errorf("%s: exit code %d, want 78", p.Name, r.Code)
			}
		}
	})
}

// inside runs a program in a namespace.
func inside(t *testing.T, ns *netlab.NS, path string, args ...string) (r program.Result) {
	t.Helper()
	err := ns.Do(func() (err error) {
		r, err = program.Run("", path, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
