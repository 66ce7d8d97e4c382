package main

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// conf is a configuration file of one route.
func conf(group string) string {
	return "mroute from eth0 source 192.0.2.1 group " + group + " to eth1\n"
}

// The configuration file is a key of a ConfigMap, which changes, is wrong for a
// while, and goes.
//
//	conf/smcroute.conf -> ..data/smcroute.conf, ..data -> ..1, ..2, ...
func TestConfFileChanges(t *testing.T) {
	n := newLab(t)
	link := func(to, path string) {
		t.Helper()
		_ = os.Remove(path + "~")
		if err := os.Symlink(to, path+"~"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+"~", path); err != nil {
			t.Fatal(err)
		}
	}
	file := n.path("conf/smcroute.conf")
	set := func(version, text string) {
		t.Helper()
		n.write("conf/.."+version+"/smcroute.conf", text)
		link(".."+version, n.path("conf/..data"))
	}
	set("1", conf("225.1.2.3"))
	link("..data/smcroute.conf", file)
	n.write("m/none.yaml", "")
	n.start("--manifests", n.path("m"), "--conf-file", file)
	n.awaitForwarding("192.0.2.1", "225.1.2.3")

	set("2", conf("225.1.2.4"))
	n.awaitForwarding("192.0.2.1", "225.1.2.4")
	n.await("the first route to be gone", func() bool { return !strings.Contains(n.show(), "225.1.2.3") })
	if err := os.RemoveAll(n.path("conf/..1")); err != nil {
		t.Fatal(err)
	}

	// The last good state of what is wrong now forwards.
	set("3", conf("225.1.2.5")+"mroute from nonsense\n")
	n.awaitForwarding("192.0.2.1", "225.1.2.5")
	n.await("the error with its line", func() bool { return n.lines(file+":2:") == 1 })
	if err := os.Remove(n.path("conf/..data")); err != nil {
		t.Fatal(err)
	}
	n.await("a word on the file that is gone", func() bool { return n.lines("does not exist any more") == 1 })
	n.awaitForwarding("192.0.2.1", "225.1.2.5")
	set("4", conf("225.1.2.6"))
	n.awaitForwarding("192.0.2.1", "225.1.2.6")

	// What it includes counts as well.
	set("5", "include "+n.path("more")+"/*.conf\n")
	n.await("the route to be gone", func() bool { return !strings.Contains(n.show(), "225.1.2.6") })
	n.write("more/a.conf", conf("225.1.2.7"))
	n.awaitForwarding("192.0.2.1", "225.1.2.7")
	n.write("more/b.conf", conf("225.1.2.8"))
	n.awaitForwarding("192.0.2.1", "225.1.2.8")
}

// A file that comes later counts, and one that is written in place.
func TestConfFileComes(t *testing.T) {
	n := newLab(t)
	n.write("m/none.yaml", "")
	n.start("--manifests", n.path("m"), "--conf-file", n.path("smcroute.conf"))
	n.ready()
	if k := n.lines("does not exist. Continuing anyway"); k != 1 {
		t.Errorf("%d lines tell that there is no file", k)
	}
	n.write("smcroute.conf", conf("225.1.2.3"))
	n.awaitForwarding("192.0.2.1", "225.1.2.3")
	c := n.receiver.Capture("eth0")
	defer c.Stop()
	p := netlab.Packet{Src: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr("225.1.2.3")}
	stream := n.sender.Stream(t.Context(), "eth0", p, 1000)
	// In one piece: an empty file, of some moment, would be what is wanted.
	file, err := os.OpenFile(n.path("smcroute.conf"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteString(conf("225.1.2.3") + conf("225.1.2.4"))
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	n.awaitForwarding("192.0.2.1", "225.1.2.4")
	sent, err := stream.Stop()
	if err != nil {
		t.Fatal(err)
	}
	sg := mroute.SG{Source: p.Src, Group: p.Group}
	n.await("all packets of the route that stays", func() bool { return c.Count(sg) == int(sent) })
	if k := n.lines("The configuration has changed"); k != 2 {
		t.Errorf("read again %d times, want 2 in %s", k, filepath.Base(n.dir))
	}
}
