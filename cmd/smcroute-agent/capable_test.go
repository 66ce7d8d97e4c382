package main

import (
	"bytes"
	"strings"
	"testing"

	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
)

// giveUp makes the process one without a capability, "cap_net_raw".
func giveUp(name string) {
	value, err := cap.FromName(name)
	set := cap.GetProc()
	for _, f := range []cap.Flag{cap.Effective, cap.Permitted} {
		if err == nil {
			err = set.SetFlag(f, false, value)
		}
	}
	if err == nil {
		err = set.SetProc()
	}
	if err != nil {
		panic(err)
	}
}

// The process of an agent that lacks one ends with the code that says so. The
// kernel itself would let go without NET_ADMIN, as long as it is the default
// table.
func TestCapabilitiesOfProcess(t *testing.T) {
	n := newLab(t)
	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1"))
	for _, name := range []string{"NET_ADMIN", "NET_RAW"} {
		lacks := n.beside(t)
		lacks.without = "cap_" + strings.ToLower(name)
		lacks.start("--manifests", n.path("m"))
		code := lacks.end()
		if log := lacks.log.String(); code != exitcode.NoPerm || strings.Count(log, " is missing") != 1 || !strings.Contains(log, "CAP_"+name+" is missing") {
			t.Errorf("without %s: exit code %d, want %d; log:\n%s", name, code, exitcode.NoPerm, log)
		}
	}
}

// An agent without one of its capabilities says which, and what to do.
func TestCapabilities(t *testing.T) {
	with := func(values ...cap.Value) *cap.Set {
		set := cap.NewSet()
		if err := set.SetFlag(cap.Permitted, true, values...); err != nil {
			t.Fatal(err)
		}
		if err := set.SetFlag(cap.Effective, true, values...); err != nil {
			t.Fatal(err)
		}
		return set
	}
	admin := "CAP_NET_ADMIN is missing, which the kernel's multicast routing tables need: add NET_ADMIN to securityContext.capabilities.add"
	raw := "CAP_NET_RAW is missing, which raw IGMP and ICMPv6 sockets need: add NET_RAW to securityContext.capabilities.add"
	for _, tt := range []struct {
		name      string
		set       *cap.Set
		want, not string
	}{
		{"without NET_RAW", with(cap.NET_ADMIN), raw, "CAP_NET_ADMIN"},
		{"without NET_ADMIN", with(cap.NET_RAW), admin, "CAP_NET_RAW"},
		{"without both", with(), admin, ""},
		{"without both", with(), raw, ""},
	} {
		var stderr bytes.Buffer
		code := run([]string{"--node-name=n1", "--manifests=/nonexistent"}, &stderr, &stderr, parts{capabilities: func() *cap.Set { return tt.set }})
		text := stderr.String()
		if code != exitcode.NoPerm || !strings.Contains(text, tt.want) || tt.not != "" && strings.Contains(text, tt.not) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s", tt.name, code, exitcode.NoPerm, tt.want, text)
		}
	}
}
