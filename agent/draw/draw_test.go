package draw

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// states are any states of a few flows and rules, with names of any bytes.
func states(t *rapid.T, label string) *view.State {
	name := rapid.OneOf(rapid.SampledFrom([]string{"eth0", "eth1", "", "\x1b[2J", "\xff\xfe", "\u202e", "é", "\U000e0001", "\u009b"}), rapid.String())
	net := rapid.Custom(func(t *rapid.T) (n view.Net) {
		text := rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.0/24", "239.1.1.1", "239.0.0.0/8", "ff0e::1", "::/0"}).Draw(t, "net")
		if err := n.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return n
	})
	traffic := rapid.Custom(func(t *rapid.T) view.Traffic {
		return view.Traffic{
			Packets: rapid.Uint64().Draw(t, "packets"), Bytes: rapid.Uint64().Draw(t, "bytes"), WrongIf: rapid.Uint64().Draw(t, "wrong"),
			Age: view.Seconds(rapid.Int64().Draw(t, "age")), Idle: view.Seconds(rapid.Int64Range(-1, 1<<62).Draw(t, "idle")),
		}
	})
	origin := rapid.Custom(func(t *rapid.T) view.Origin {
		return view.Origin{Ref: name.Draw(t, "ref"), Line: rapid.IntRange(0, 1).Draw(t, "line")}
	})
	s := &view.State{Time: time.Unix(rapid.Int64Range(0, 3).Draw(t, label), 0).UTC()}
	s.Flows = rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) view.Flow {
		return view.Flow{
			Source: net.Draw(t, "s"), Group: net.Draw(t, "g"), Kind: view.Kind(name.Draw(t, "kind")), IIF: name.Draw(t, "iif"),
			OIFs: rapid.SliceOfN(name, 0, 2).Draw(t, "oifs"), Origins: rapid.SliceOfN(origin, 0, 2).Draw(t, "origins"), Traffic: traffic.Draw(t, "traffic"),
		}
	}), 0, 3, func(f view.Flow) flowKey { return keyOf(&f) }).Draw(t, "flows")
	s.Rules = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) view.Rule {
		return view.Rule{
			Source: net.Draw(t, "s"), Group: net.Draw(t, "g"), IIF: name.Draw(t, "iif"), OIFs: rapid.SliceOfN(name, 0, 2).Draw(t, "oifs"),
			Origin: origin.Draw(t, "origin"), Traffic: traffic.Draw(t, "traffic"),
		}
	}), 0, 3).Draw(t, "rules")
	s.Pending = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) view.Pending {
		return view.Pending{
			Kind: rapid.SampledFrom([]string{"mroute", "mgroup"}).Draw(t, "kind"), Group: net.Draw(t, "g"), IIF: name.Draw(t, "iif"),
			Cause: name.Draw(t, "cause"), Reason: name.Draw(t, "reason"), Origin: origin.Draw(t, "origin"),
		}
	}), 0, 2).Draw(t, "pending")
	s.Links = []view.Link{{Name: "eth0", Pods: []string{name.Draw(t, "pod")}}}
	return s
}

func looks(t *rapid.T) *Look {
	name := rapid.SampledFrom([]string{"n1", "n2", "\x07"})
	router := func(label string) Router {
		return Router{Node: name.Draw(t, "node"), State: states(t, label), Problem: rapid.SampledFrom([]string{"", "\x1b"}).Draw(t, "problem")}
	}
	return &Look{Now: []Router{router("now"), {Node: "n3", Problem: "away"}}, Before: []Router{router("before")}}
}

// TestNothingForTheTerminal: whatever names there are, each line is text that a
// terminal only shows, in columns of the same width, and no line is too long.
func TestNothingForTheTerminal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := looks(t)
		style := Style{Wide: rapid.Bool().Draw(t, "wide"), ASCII: rapid.Bool().Draw(t, "ascii"), Width: rapid.IntRange(0, 100).Draw(t, "width")}
		listings := []Listing{l.Routes(), l.Flows(), l.Top(0), l.Tree(), l.Beginning()}
		for _, c := range l.Changes() {
			listings = append(listings, &c)
		}
		for _, listing := range listings {
			for _, f := range append(slices.Clone(Formats), Text) {
				text, err := Print(listing, f, style)
				if err != nil {
					t.Fatalf("%T as %q: %v", listing, f, err)
				}
				if !utf8.ValidString(text) || !strings.HasSuffix(text, "\n") {
					t.Fatalf("%T as %q: %q is no text", listing, f, text)
				}
				for line := range strings.Lines(text) {
					line = strings.TrimSuffix(line, "\n")
					if bad := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); bad >= 0 {
						t.Fatalf("%T as %q: %q has a character that a terminal could act on", listing, f, line)
					}
					if (f == Text || f == Wide) && style.Width > 0 && utf8.RuneCountInString(line) > style.Width {
						t.Fatalf("%T: %q is longer than %d", listing, line, style.Width)
					}
					if (f == Text || f == Wide) && style.ASCII && strings.IndexFunc(line, func(r rune) bool { return r > unicode.MaxASCII }) >= 0 {
						t.Fatalf("%T: %q is not ASCII", listing, line)
					}
				}
			}
		}
	})
}

// TestYAMLIsJSON: both say the same.
func TestYAMLIsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := looks(t)
		for _, listing := range []Listing{l.Routes(), l.Flows(), l.Tree()} {
			text, err := Print(listing, YAML, Style{})
			if err != nil {
				t.Fatal(err)
			}
			var doc any
			if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			again, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			var a, b any
			original, _ := json.Marshal(listing)
			if json.Unmarshal(again, &a) != nil || json.Unmarshal(original, &b) != nil {
				t.Fatal("no JSON")
			}
			x, _ := json.Marshal(a)
			y, _ := json.Marshal(b)
			if string(x) != string(y) {
				t.Fatalf("YAML says\n%s\nJSON\n%s", x, y)
			}
		}
	})
}

// TestNothingChanges: two looks at the same show no change.
func TestNothingChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := states(t, "now")
		l := &Look{Now: []Router{{State: s}}, Before: []Router{{State: s}}}
		if changes := l.Changes(); len(changes) > 0 {
			t.Fatalf("%+v", changes)
		}
	})
}

// TestApply: what is left of a state that a filter has gone over gives the rows that
// the filter picks of the whole.
func TestApply(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, err := ParseFilter(strings.Fields(rapid.SampledFrom([]string{"239.1.1.1", "10.0.0.0/31 239.0.0.0/8", "* ff0e::/16", ""}).Draw(t, "filter")))
		if err != nil {
			t.Fatal(err)
		}
		s := states(t, "now")
		whole := &Look{Now: []Router{{State: s}}, Filter: f}
		want, _ := Print(whole.Routes(), JSON, Style{})
		wantFlows, _ := Print(whole.Flows(), JSON, Style{})
		f.Apply(s)
		part := &Look{Now: []Router{{State: s}}}
		if got, _ := Print(part.Routes(), JSON, Style{}); got != want {
			t.Fatalf("routes: %s, want %s", got, want)
		}
		if got, _ := Print(part.Flows(), JSON, Style{}); got != wantFlows {
			t.Fatalf("flows: %s, want %s", got, wantFlows)
		}
	})
}

func TestParseFilter(t *testing.T) {
	for _, tt := range []struct{ args, err string }{
		{"239.1.1.1", ""},
		{"* 239.1.1.1", ""},
		{"10.0.0.0/8 239.0.0.0/8", ""},
		{"ff0e::/16", ""},
		{"10.0.0.1", "10.0.0.1 is no multicast group, 224.0.0.0/4 or ff00::/8"},
		{"*", `"*" is neither an address nor a prefix`},
		{"10.0.0.1 ff0e::1", "source 10.0.0.1 and group ff0e::1 are of different families"},
		{"1 2 3", "found 3 arguments, expected a group, or a source and a group"},
	} {
		_, err := ParseFilter(strings.Fields(tt.args))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.err {
			t.Errorf("%q: got %q, want %q", tt.args, got, tt.err)
		}
	}
}

func TestUnits(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0", 0.04: "0", 0.26: "0.3", 9.94: "9.9", 9.96: "10", 999.4: "999", 999.6: "1.00k", 9994: "9.99k", 9996: "10.0k", 99960: "100k", 1e6: "1.00M", 1.5e19: "15.0E",
	} {
		if got := scaled(x); got != want {
			t.Errorf("scaled(%v) = %s, want %s", x, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-1: "-", 0: "0.0s", 59999 * time.Millisecond: "59.9s", time.Hour - time.Second: "59m59s", 25 * time.Hour: "1d1h",
	} {
		if got := seconds(view.Seconds(d)); got != want {
			t.Errorf("seconds(%v) = %s, want %s", d, got, want)
		}
	}
}
