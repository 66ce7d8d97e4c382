package doctor

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
)

// docs/doctor.md has each finding once, in the order of the way, with an anchor
// that reports lead to, and says with each what it is.
func TestDocument(t *testing.T) {
	file, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(file), "## On Kubernetes") // that table is of the plug-in
	var got []diagnose.ID
	for _, m := range regexp.MustCompile("(?m)^\\| <a id=\"([a-z_]+)\"></a>`([a-z_]+)` \\| [^|]+ \\| [^|]+ \\| [^|]+ \\|").FindAllStringSubmatch(text, -1) {
		if m[1] != m[2] {
			t.Errorf("the anchor %s is of %s", m[1], m[2])
		}
		got = append(got, diagnose.ID(m[2]))
	}
	if !slices.Equal(got, diagnose.IDs()) {
		t.Errorf("docs/doctor.md has the findings\n%q, want\n%q", got, diagnose.IDs())
	}
}

// Each kind of finding is expected by a test of this package, or of those that
// make facts up.
func TestEachIsTested(t *testing.T) {
	all := ""
	for _, pattern := range []string{".", "../../agent/doctor", "../../agent/doctor/diagnose"} {
		files, err := os.ReadDir(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !regexp.MustCompile(`_test\.go$`).MatchString(f.Name()) {
				continue
			}
			text, err := os.ReadFile(pattern + "/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			all += string(text)
		}
	}
	source, err := os.ReadFile("../../agent/doctor/diagnose/id.go")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^\t(\w+) +ID = "`).FindAllStringSubmatch(string(source), -1)
	if len(names) != len(diagnose.IDs()) {
		t.Errorf("id.go has %d kinds, and IDs lists %d", len(names), len(diagnose.IDs()))
	}
	for _, m := range names {
		if !regexp.MustCompile(`\b` + m[1] + `\b`).MatchString(all) {
			t.Errorf("no test expects %s", m[1])
		}
	}
}
