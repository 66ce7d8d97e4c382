package conf_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/conf"
)

// TestExampleFile: the example that is installed has nothing to remark, neither
// as it is nor with each directive in it uncommented.
func TestExampleFile(t *testing.T) {
	text, err := os.ReadFile("../../docs/smcroute.conf.example")
	if err != nil {
		t.Fatal(err)
	}
	commented := regexp.MustCompile(`(?m)^#(phyint|mgroup|mroute) `)
	for name, test := range map[string]struct {
		text  []byte
		lines int
	}{
		"as it is":    {text, 0},
		"uncommented": {commented.ReplaceAll(text, []byte("$1 ")), len(commented.FindAll(text, -1))},
	} {
		layer, diagnostics := conf.Parse(conf.Source{Name: "example", Text: string(test.text)}, conf.Options{Include: includeFrom(nil)})
		for _, d := range diagnostics {
			if d.Severity != conf.Info {
				t.Errorf("%s: %v", name, d)
			}
		}
		if got := len(layer.Phyints) + len(layer.Routes) + len(layer.Joins); got != test.lines {
			t.Errorf("%s: %d lines in use, want %d", name, got, test.lines)
		}
	}
}

// TestManualExamples: neither have the examples of the manual page.
func TestManualExamples(t *testing.T) {
	page, err := os.ReadFile("../../man/smcroute.conf.5")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile(`(?s)\.Bd -literal[^\n]*\n(.*?)\.Ed`).FindAllSubmatch(page, -1)
	if len(examples) == 0 {
		t.Fatal("no examples found")
	}
	for _, e := range examples {
		_, diagnostics := conf.Parse(conf.Source{Name: "manual", Text: string(e[1])}, conf.Options{Include: includeFrom(nil)})
		for _, d := range diagnostics {
			if d.Severity != conf.Info {
				t.Errorf("%v in\n%s", d, e[1])
			}
		}
	}
}
