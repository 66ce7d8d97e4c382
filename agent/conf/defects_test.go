package conf_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/conf"
)

// Defects of SMCRoute 2.6.0 which this parser does not have. The numbers are
// those of the list in docs.

// TestDefect8ManyOutputs: more than 32 outputs on a line overran an array.
func TestDefect8ManyOutputs(t *testing.T) {
	var line strings.Builder
	line.WriteString("mroute from a1 group 225.1.1.1 to")
	for i := range 1000 {
		fmt.Fprintf(&line, " eth%d", i)
	}
	layer, diagnostics := parse(line.String())
	if len(diagnostics) > 0 || len(layer.Routes) != 1 || len(layer.Routes[0].To) != 1000 {
		t.Fatalf("got %d routes, %v", len(layer.Routes), diagnostics)
	}
	for i, o := range layer.Routes[0].To {
		if want := fmt.Sprintf("eth%d", i); string(o.If) != want {
			t.Fatalf("output %d is %q, want %q", i, o.If, want)
		}
	}
}

// TestDefect8MixedFamilies: source and group of two families ended the daemon.
func TestDefect8MixedFamilies(t *testing.T) {
	for line, want := range map[string]string{
		"mroute from a1 source 10.0.0.1 group ff05::1 to a2":          "test.conf:1:23: source 10.0.0.1 is IPv4 and group ff05::1 is IPv6: expected both of one family",
		"mroute from a1 source 2001:db8::1 group 225.1.1.1 to a2":     "test.conf:1:23: source 2001:db8::1 is IPv6 and group 225.1.1.1 is IPv4: expected both of one family",
		"mgroup from a1 source 2001:db8::/64 group 225.1.1.1":         "test.conf:1:23: source 2001:db8:: is IPv6 and group 225.1.1.1 is IPv4: expected both of one family",
		"mroute from a1 source ::ffff:10.0.0.1 group 225.1.1.1 to a2": "test.conf:1:23: source ::ffff:10.0.0.1 is IPv6 and group 225.1.1.1 is IPv4: expected both of one family",
	} {
		layer, diagnostics := parse(line + "\nphyint a1\n")
		if len(diagnostics) != 1 || diagnostics[0].Severity != conf.Error || diagnostics[0].String() != want {
			t.Errorf("%s: got %v, want %s", line, diagnostics, want)
		}
		if len(layer.Routes)+len(layer.Joins) != 0 || len(layer.Phyints) != 1 {
			t.Errorf("%s: layer %+v", line, layer)
		}
	}
}

// TestDefect8SelfInclude: a file that included itself was read until the stack
// was full.
func TestDefect8SelfInclude(t *testing.T) {
	files := []conf.Source{{Name: "a", Text: "phyint a1\ninclude a\nphyint a2\n"}}
	layer, diagnostics := conf.Parse(files[0], conf.Options{Include: includeFrom(files)})
	if len(diagnostics) != 1 || diagnostics[0].Severity != conf.Error ||
		diagnostics[0].String() != `a:2:9: include "a" names a file that is being read already: a includes a` {
		t.Errorf("diagnostics: %v", diagnostics)
	}
	if len(layer.Phyints) != 2 {
		t.Errorf("layer: %+v", layer)
	}
}

// TestDefect10LongLines: what was behind the 511th byte became another line.
func TestDefect10LongLines(t *testing.T) {
	for _, pad := range []int{500, 511, 512, 4096, 1 << 20} {
		text := "mroute from a1 group 225.1.1.1" + strings.Repeat(" ", pad) + "to a2 mroute from a1 group 225.1.1.2 to a3\n" +
			"#" + strings.Repeat("x", pad) + " mroute from a1 group 225.1.1.3 to a2\n"
		layer, diagnostics := parse(text)
		for _, d := range diagnostics {
			if d.Severity == conf.Error || d.Line != 1 {
				t.Errorf("pad %d: %v", pad, d)
			}
		}
		if len(layer.Routes) != 1 || layer.Routes[0].Match.String() != "(*, 225.1.1.1)" {
			t.Errorf("pad %d: routes %v", pad, layer.Routes)
		}
	}
}

// TestDefect17SlashZero: a length of 0 meant the full length.
func TestDefect17SlashZero(t *testing.T) {
	layer, diagnostics := parse("mroute from a1 source 10.0.0.1/0 group 225.1.1.1 to a2\n" +
		"mroute from a1 source 2001:db8::1/0 group ff05::1 to a2\n" +
		"mgroup from a1 source 10.0.0.1/0 group 225.1.1.1\n")
	if len(diagnostics) > 0 {
		t.Error(diagnostics)
	}
	for i, want := range []string{"(*, 225.1.1.1)", "(*, ff05::1)"} {
		if got := layer.Routes[i].Match; got.String() != want || got.Source.IsValid() {
			t.Errorf("route %d: %v, want %s", i, got, want)
		}
	}
	if got := layer.Joins[0].Match; got.Source.IsValid() {
		t.Errorf("join: %v, want any source", got)
	}
	for _, line := range []string{
		"mroute from a1 group 225.1.1.1/0 to a2",
		"mroute from a1 group ff05::1/0 to a2",
		"mgroup from a1 group 224.0.0.0/0",
	} {
		layer, diagnostics := parse(line)
		if len(diagnostics) != 1 || diagnostics[0].Severity != conf.Error || len(layer.Routes)+len(layer.Joins) > 0 {
			t.Errorf("%s: got %+v, %v", line, layer, diagnostics)
		}
	}
}

// TestDefect18InboundAmongOutputs: an output that is the inbound is kept if it
// is named, with a remark; that wildcards leave it out is the resolver's work.
func TestDefect18InboundAmongOutputs(t *testing.T) {
	for line, remarks := range map[string]int{
		"mroute from a1 group 225.1.1.1 to a1 a2": 1,
		"mroute from a1 group 225.1.1.1 to a+":    0,
		"mroute from a+ group 225.1.1.1 to a+":    0,
		"mroute from a+ group 225.1.1.1 to a1":    0,
		"mroute from a1 group 225.1.1.1 to a11":   0,
	} {
		layer, diagnostics := parse(line)
		if len(layer.Routes) != 1 || len(diagnostics) != remarks || remarks == 1 && diagnostics[0].Severity != conf.Info {
			t.Errorf("%s: got %+v, %v", line, layer, diagnostics)
		}
	}
}
