package conf_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/conf"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

func parse(text string) (mroute.Layer, []conf.Diagnostic) {
	return conf.Parse(conf.Source{Name: "test.conf", Text: text}, conf.Options{})
}

// TestNoPins: "a1/3" in a file would be a pinned pattern, which is not for files.
// A line with one, wherever it stands, is left out as a whole.
func TestNoPins(t *testing.T) {
	for line, column := range map[string]int{
		"phyint a1/3 enable":                        8,
		"mgroup from a1/3 group 225.1.1.1":          13,
		"mroute from a1/3 group 225.1.1.1 to a2":    13,
		"mroute from a1 group 225.1.1.1 to a2 a3/3": 38,
		"mroute from a1 group 225.1.1.1 to a1:0/3":  35,
	} {
		layer, diagnostics := parse(line + "\nphyint a1\n" + line)
		if len(diagnostics) != 2 || diagnostics[0].Severity != conf.Error || diagnostics[0].Column != column || diagnostics[1].Line != 3 {
			t.Errorf("%s: %v, want an error at column %d, twice", line, diagnostics, column)
		}
		if len(layer.Routes)+len(layer.Joins) != 0 || len(layer.Phyints) != 1 {
			t.Errorf("%s: layer %+v", line, layer)
		}
	}
}

// TestNoText: of lines with NUL bytes the first of each file is reported, and none counts.
func TestNoText(t *testing.T) {
	const text = "phyint a1\nphyint\x00 a2\n# \x00\nphyint a3\ninclude more\n"
	layer, diagnostics := conf.Parse(conf.Source{Name: "test.conf", Text: text}, conf.Options{
		Include: func(string) ([]conf.Source, error) {
			return []conf.Source{{Name: "more", Text: "\x00\nphyint a4\n"}}, nil
		},
	})
	var names []mroute.IfPattern
	for _, p := range layer.Phyints {
		names = append(names, p.If)
	}
	if want := []mroute.IfPattern{"a1", "a3", "a4"}; !slices.Equal(names, want) {
		t.Errorf("phyints %v, want %v", names, want)
	}
	var places []string
	for _, d := range diagnostics {
		places = append(places, strings.TrimSuffix(d.String(), ": a NUL byte: expected text, in ASCII or UTF-8; lines with such bytes are left out"))
	}
	if want := []string{"test.conf:2:7", "more:1:1"}; !slices.Equal(places, want) {
		t.Errorf("errors at %v, want %v", places, want)
	}
}

// TestWords has the lexical rules: each text is one route from a1 for
// 225.1.1.1 to a2, and nothing to remark.
func TestWords(t *testing.T) {
	for name, text := range map[string]string{
		"byte order mark":     "\ufeffmroute from a1 group 225.1.1.1 to a2\r\n",
		"plain":               "mroute from a1 group 225.1.1.1 to a2\n",
		"no newline":          "mroute from a1 group 225.1.1.1 to a2",
		"CRLF":                "mroute from a1 group 225.1.1.1 to a2\r\n",
		"CR before the end":   "mroute from a1 group 225.1.1.1 to a2\r",
		"all white space":     "\v\tmroute\rfrom\fa1 \t group 225.1.1.1\vto a2 \n",
		"comment line":        "# x\nmroute from a1 group 225.1.1.1 to a2",
		"comment after blank": " \t #x\nmroute from a1 group 225.1.1.1 to a2",
		"empty lines":         "\n\n \n\t\r\nmroute from a1 group 225.1.1.1 to a2\n\n",
		"prefix keywords":     "mrouted frommage a1 groups 225.1.1.1 tomato a2",
		"any order":           "mroute group 225.1.1.1 from a1 to a2",
		"any source":          "mroute source 0.0.0.0 group 225.1.1.1 from a1 to a2",
		"full length":         "mroute from a1 group 225.1.1.1/32 to a2",
		"leading zeros":       "mroute from a1 group 225.1.1.1/0032 to a2",
	} {
		t.Run(name, func(t *testing.T) {
			layer, diagnostics := parse(text)
			if len(diagnostics) > 0 {
				t.Errorf("diagnostics of %q: %v", text, diagnostics)
			}
			if len(layer.Routes) != 1 {
				t.Fatalf("routes of %q: %v", text, layer.Routes)
			}
			r := layer.Routes[0]
			if r.From != "a1" || r.Match.String() != "(*, 225.1.1.1)" || !reflect.DeepEqual(r.To, []mroute.Output{{If: "a2"}}) {
				t.Errorf("route of %q: %+v", text, r)
			}
		})
	}
}

func TestNothing(t *testing.T) {
	for _, text := range []string{"", "\n", "#", " # mroute from a1 group 225.1.1.1\n\r\n"} {
		layer, diagnostics := parse(text)
		if len(layer.Routes)+len(layer.Joins)+len(layer.Phyints)+len(diagnostics) > 0 {
			t.Errorf("%q gave %+v and %v", text, layer, diagnostics)
		}
	}
}

// TestColumns checks that a diagnostic points at the word that is wrong.
func TestColumns(t *testing.T) {
	for _, text := range []string{
		"  ^frob",
		"mroute from a1 group ^10.0.0.1 to a2",
		"\tmroute from a1 source ^10.0.0.1 group ff05::1",
		"mroute from a1 source ^x group 225.1.1.1",
		"mroute from a1 group 225.1.1.1 ^what to a2",
		"mroute from a1 group 225.1.1.1 to a2 ^from",
		"mroute from a1 group 225.1.1.1 to  a2  ^a1",
		"mroute from a1 group ^224.0.0.1 to a2",
		"mroute from a1 group :: to ^x a2",
		"phyint^",
		"phyint a1 ttl-threshold ^x",
		"mgroup from a1 group ^225.0.0.0/8",
		"include ^x",
	} {
		plain := strings.Replace(text, "^", "", 1)
		want := strings.IndexByte(text, '^') + 1
		_, diagnostics := parse("\n" + plain)
		if len(diagnostics) != 1 || diagnostics[0].Column != want || diagnostics[0].Line != 2 || diagnostics[0].File != "test.conf" {
			t.Errorf("%q: got %v, want one at column %d of line 2", plain, diagnostics, want)
		}
	}
}

func TestDiagnosticString(t *testing.T) {
	d := conf.Diagnostic{File: "f", Line: 3, Column: 7, Severity: conf.Warning, Message: "found x, expected y"}
	if got := d.String(); got != "f:3:7: warning: found x, expected y" {
		t.Error(got)
	}
	if got := fmt.Sprint(conf.Error, conf.Warning, conf.Info); got != "error warning info" {
		t.Error(got)
	}
}

// TestSharedOutputs checks that lines which end alike share their outputs, and
// that a remark about outputs is made for each of them.
func TestSharedOutputs(t *testing.T) {
	layer, _ := parse("mroute from a1 group 225.1.1.1 to a2 a3\nmroute from a1 group 225.1.1.2 to a2 a3\n")
	if &layer.Routes[0].To[0] != &layer.Routes[1].To[0] {
		t.Error("equal outputs are stored twice")
	}
	_, diagnostics := parse("mroute from a1 group 225.1.1.1 to a2 a2\nmroute from a1 group 225.1.1.2 to a2 a2\n")
	if len(diagnostics) != 2 || diagnostics[1].Line != 2 {
		t.Errorf("remarks about duplicates: %v", diagnostics)
	}
}

// TestIncludeRefused: without Include the line is an error, and the rest counts.
func TestIncludeRefused(t *testing.T) {
	layer, diagnostics := parse("include x\nphyint a1\n")
	if len(diagnostics) != 1 || diagnostics[0].Severity != conf.Error || len(layer.Phyints) != 1 {
		t.Errorf("got %+v, %v", layer, diagnostics)
	}
}

// TestIncludeError: an error is reported at the include line, and what could be
// read counts.
func TestIncludeError(t *testing.T) {
	layer, diagnostics := conf.Parse(conf.Source{Name: "test.conf", Text: "include x\n"}, conf.Options{
		Include: func(string) ([]conf.Source, error) {
			return []conf.Source{{Name: "a", Text: "phyint a1"}}, errors.New("b: permission denied")
		},
	})
	if len(diagnostics) != 1 || diagnostics[0].String() != `test.conf:1:9: include "x": b: permission denied` || len(layer.Phyints) != 1 {
		t.Errorf("got %+v, %v", layer, diagnostics)
	}
}

// TestIncludeDepth: files without end, each new, stop at the limit.
func TestIncludeDepth(t *testing.T) {
	n := 0
	layer, diagnostics := conf.Parse(conf.Source{Name: "0", Text: "include x"}, conf.Options{
		Include: func(string) ([]conf.Source, error) {
			n++
			return []conf.Source{{Name: fmt.Sprint(n), Text: "phyint a1\ninclude x"}}, nil
		},
	})
	if n != conf.MaxIncludeDepth || len(layer.Phyints) != n || len(diagnostics) != 1 || diagnostics[0].Severity != conf.Error {
		t.Errorf("%d files, %d phyints, %v", n, len(layer.Phyints), diagnostics)
	}
}

// TestIncludeAllOfMany: files which all include all others are each read once.
func TestIncludeAllOfMany(t *testing.T) {
	var files []conf.Source
	for i := range 50 {
		files = append(files, conf.Source{Name: fmt.Sprintf("%d.conf", i), Text: fmt.Sprintf("phyint a%d\ninclude *.conf\n", i)})
	}
	layer, _ := conf.Parse(files[0], conf.Options{Include: includeFrom(files)})
	if len(layer.Phyints) != len(files) {
		t.Errorf("%d phyints, want %d", len(layer.Phyints), len(files))
	}
}
