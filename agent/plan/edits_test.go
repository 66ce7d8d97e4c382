package plan_test

import (
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

func TestEdits(t *testing.T) {
	for _, tt := range []struct {
		name, conf, ctl, want string
	}{{
		name: "add a rule",
		ctl:  "add a0 10.0.0.1 225.1.1.1 b0 b1",
		want: "a0 (10.0.0.1, 225.1.1.1) -> b0 b1",
	}, {
		name: "add is additive",
		ctl: `add a0 225.1.1.1 b0
		      add a0 225.1.1.1 b1
		      add a0 225.1.1.1 b1`,
		want: "a0 (*, 225.1.1.1) -> b0 b1",
	}, {
		name: "add without outputs is a stop rule",
		ctl:  "add a0 10.0.0.1 225.1.1.1",
		want: "a0 (10.0.0.1, 225.1.1.1) ->",
	}, {
		name: "add to a rule of the file shares its row",
		conf: "mroute from a0 group 225.1.1.1 to b0",
		ctl:  "add a0 225.1.1.1 b1",
		want: "a0 (*, 225.1.1.1) -> b0 b1",
	}, {
		name: "rules of the file come before those of clients",
		conf: "mroute from a0 group 225.2.2.2 to b0",
		ctl: `add a0 225.1.1.1 b0
		      add a0 225.1.1.0/24 b0`,
		want: `a0 (*, 225.2.2.2) -> b0
		       a0 (*, 225.1.1.1) -> b0
		       a0 (*, 225.1.1.0/24) -> b0`,
	}, {
		name: "the same prefix with other host bits is the same rule",
		conf: "mroute from a0 group 225.1.1.0/24 to b0",
		ctl:  "add a0 225.1.1.77/24 b1",
		want: "a0 (*, 225.1.1.0/24) -> b0 b1",
	}, {
		name: "remove a rule that a client added",
		ctl: `add a0 225.1.1.1 b0
		      remove a0 225.1.1.1
		      ! remove a0 225.1.1.1`,
	}, {
		name: "remove a rule of the file",
		conf: `mroute from a0 group 225.1.1.1 to b0
		       mroute from a1 group 225.1.1.1 to b0`,
		ctl: `remove a0 225.1.1.1
		      ! remove a0 225.1.1.1`,
		want: "a1 (*, 225.1.1.1) -> b0",
	}, {
		name: "remove what both file and client said",
		conf: "mroute from a0 group 225.1.1.1 to b0",
		ctl: `add a0 225.1.1.1 b1
		      remove a0 225.1.1.1`,
	}, {
		name: "remove one output of two",
		conf: "mroute from a0 group 225.1.1.1 to b0 b1",
		ctl:  "remove a0 225.1.1.1 b0",
		want: "a0 (*, 225.1.1.1) -> b1",
	}, {
		name: "remove every output leaves a stop rule",
		conf: "mroute from a0 group 225.1.1.1 to b0 b1",
		ctl: `remove a0 225.1.1.1 b0
		      remove a0 225.1.1.1 b1`,
		want: "a0 (*, 225.1.1.1) ->",
	}, {
		name: "remove outputs of file and client at once",
		conf: "mroute from a0 group 225.1.1.1 to b0",
		ctl: `add a0 225.1.1.1 b1
		      remove a0 225.1.1.1 b0 b1`,
		want: "a0 (*, 225.1.1.1) ->",
	}, {
		name: "add an output again",
		conf: "mroute from a0 group 225.1.1.1 to b0 b1",
		ctl: `remove a0 225.1.1.1 b0
		      add a0 225.1.1.1 b0`,
		want: "a0 (*, 225.1.1.1) -> b0 b1",
	}, {
		name: "add a rule again starts from nothing",
		conf: "mroute from a0 group 225.1.1.1 to b0 b1",
		ctl: `remove a0 225.1.1.1
		      add a0 225.1.1.1 b1`,
		want: "a0 (*, 225.1.1.1) -> b1",
	}, {
		name: "remove a wildcard's one inbound interface",
		conf: "mroute from a+ group 225.1.1.1 to b0",
		ctl: `remove a0 225.1.1.1
		      ! remove a0 225.1.1.1`,
		want: "a1 (*, 225.1.1.1) -> b0",
	}, {
		name: "remove one inbound interface of a client's wildcard",
		ctl: `add a+ 225.1.1.1 b0
		      remove a0 225.1.1.1`,
		want: "a1 (*, 225.1.1.1) -> b0",
	}, {
		name: "remove a wildcard's one output",
		conf: "mroute from a0 group 225.1.1.1 to b+",
		ctl: `remove a0 225.1.1.1 b0
		      ! remove a0 225.1.1.1 b0`,
		want: "a0 (*, 225.1.1.1) -> b1",
	}, {
		name: "remove one output of a client's wildcard",
		ctl: `add a0 225.1.1.1 b+
		      remove a0 225.1.1.1 b0`,
		want: "a0 (*, 225.1.1.1) -> b1",
	}, {
		name: "remove a wildcard of outputs that were named",
		conf: "mroute from a0 group 225.1.1.1 to a1 b0 b1",
		ctl:  "remove a0 225.1.1.1 b+",
		want: "a0 (*, 225.1.1.1) -> a1",
	}, {
		name: "remove a wildcard of rules that were named",
		conf: `mroute from a0 group 225.1.1.1 to b0
		       mroute from b1 group 225.1.1.1 to b0`,
		ctl: `add a1 225.1.1.1 b0
		      remove a+ 225.1.1.1`,
		want: "b1 (*, 225.1.1.1) -> b0",
	}, {
		name: "a client's wildcard does not shield one interface",
		conf: "mroute from a0 group 225.1.1.1 to b0",
		ctl: `add a+ 225.1.1.1 b1
		      remove a0 225.1.1.1`,
		want: "a1 (*, 225.1.1.1) -> b1",
	}, {
		name: "a wildcard added after a removal holds for all",
		conf: "mroute from a+ group 225.1.1.1 to b0",
		ctl: `remove a0 225.1.1.1
		      add a+ 225.1.1.1 b1`,
		want: `a1 (*, 225.1.1.1) -> b0 b1
		       a0 (*, 225.1.1.1) -> b1`,
	}, {
		name: "a removal needs the very match",
		conf: "mroute from a0 group 225.1.1.0/24 to b0",
		ctl: `! remove a0 225.1.1.1
		      ! remove a0 225.1.0.0/16
		      ! remove a0 10.0.0.1 225.1.1.0/24
		      ! remove a1 225.1.1.0/24`,
		want: "a0 (*, 225.1.1.0/24) -> b0",
	}, {
		name: "a removal with one output that is not there changes nothing",
		conf: "mroute from a0 group 225.1.1.1 to b0 b1",
		ctl:  "! remove a0 225.1.1.1 b0 a1",
		want: "a0 (*, 225.1.1.1) -> b0 b1",
	}, {
		name: "an alias stands for its parent",
		conf: "mroute from a0:1 group 225.1.1.1 to b0:7 b1",
		ctl:  "remove a0 225.1.1.1 b0",
		want: "a0 (*, 225.1.1.1) -> b1",
	}, {
		name: "add changes the mask of a rule of the file",
		conf: "mroute from a0 source :: group :: to 65520 b0",
		ctl:  "add a0 :: :: 65472 b1",
		want: "a0 (*, *)<FFC0> -> b0 b1",
	}, {
		name: "the last mask counts",
		ctl: `add a0 :: :: 65472 b0
		      add a0 :: :: 65504`,
		want: "a0 (*, *)<FFE0> -> b0",
	}, {
		name: "remove a rule with a mask, whatever the mask",
		conf: "mroute from a0 source :: group :: to 65520 b0",
		ctl:  "remove a0 :: ::",
	}, {
		name: "a removed mask does not come back",
		conf: "mroute from a0 source :: group :: to 65520 b0",
		ctl: `add a0 :: :: 65472
		      remove a0 :: ::
		      add a0 :: :: 16 b0`,
		want: "a0 (*, *)<0010> -> b0",
	}} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.conf, "a0 a1 b0 b1")
			before := w.rules()
			w.ctl(tt.ctl)
			w.lines("rules", w.rules(), tt.want)
			w.in.DropEdits()
			w.lines("rules after a reload", w.rules(), before)
		})
	}
}

// TestEditsAreNotInTheLayersOrder: what a client adds is united with what the
// file's first match gives.
func TestEditsAreNotInTheLayersOrder(t *testing.T) {
	w := newWorld(t, "mroute from a0 group 225.1.0.0/16 to b0\nmroute from a0 group 225.1.1.0/24 to c0", "a0 b0 b1 c0")
	if got := w.entry("a0", "10.0.0.1 225.1.1.1"); got != "learned a0 -> b0" {
		t.Error(got)
	}
	w.ctl("add a0 225.1.1.1 b1")
	if got := w.entry("a0", "10.0.0.1 225.1.1.1"); got != "learned a0 -> b0 b1" {
		t.Error(got)
	}
	w.ctl("remove a0 225.1.0.0/16")
	if got := w.entry("a0", "10.0.0.1 225.1.1.1"); got != "learned a0 -> c0 b1" {
		t.Error(got)
	}
}

// TestClientNamesAnInterface: its VIF comes and goes with the rule, behind those
// of the layers.
func TestClientNamesAnInterface(t *testing.T) {
	w := newWorld(t, "phyint c0 enable", "a0 b0 c0")
	names := func() string {
		res, _ := w.resolve(0)
		var s string
		for _, l := range res.WantVIFs() {
			s += " " + l.Name
		}
		return s
	}
	for _, step := range []struct{ ctl, want string }{
		{"", " c0"},
		{"add b0 225.1.1.1 a0", " c0 a0 b0"}, // one command: by name
		{"add b0 225.1.1.2 a0", " c0 a0 b0"},
		{"remove b0 225.1.1.1", " c0 a0 b0"},
		{"remove b0 225.1.1.2 a0", " c0 b0"},
		{"join a0 225.1.1.2", " c0 b0 a0"},
		{"remove b0 225.1.1.2", " c0 a0"},
		{"leave a0 225.1.1.2", " c0"},
	} {
		w.ctl(step.ctl)
		if got := names(); got != step.want {
			t.Errorf("after %q: VIFs for%s, want%s", step.ctl, got, step.want)
		}
	}
}

func TestIntentCountsRoutes(t *testing.T) {
	w := newWorld(t, "mroute from a0 group 225.1.1.1 to b0\nmroute from a0 source 10.0.0.1 group 225.1.1.1 to b0", "a0 b0")
	w.ctl("add a0 10.0.0.2 225.1.1.1 b0\nadd a0 225.1.1.9 b0")
	var exact []mroute.SG
	var c plan.Cursor
	for sg, ok := w.in.NextExact(&c); ok; sg, ok = w.in.NextExact(&c) {
		exact = append(exact, sg)
	}
	if len(exact) != 2 || exact[0] != match("10.0.0.1 225.1.1.1").SG() || exact[1] != match("10.0.0.2 225.1.1.1").SG() {
		t.Error(exact)
	}
	if got := w.in.ExactRoutes(mroute.IPv4); got != 1 || w.in.ExactRoutes(mroute.IPv6) != 0 {
		t.Errorf("%d exact routes in the layers, want 1", got)
	}
}
