package symptoms

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// documents are those that say what a test shows.
var documents = []string{"troubleshooting.md", "cni.md", "install.md", "support.md", "hitless.md", "doctor.md"}

var (
	citation = regexp.MustCompile(`\*[^*|]*\bTest[A-Z][^*|]*\*`) // *test/api, TestOne, TestTwo; more*
	testName = regexp.MustCompile(`\bTest[A-Z]\w*`)
	function = regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(`)
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	value    = regexp.MustCompile(`\b(?:agent|keeper|controller|image|crds|rbac|admissionPolicy|networkPolicy)(?:\.[a-zA-Z]+)+`)
	anchor   = regexp.MustCompile(`<a id="([^"]+)">`)
)

// The tests that the documents name are there.
func TestCitations(t *testing.T) {
	there := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllStringSubmatch(string(text), -1) {
			there[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range documents {
		cited := 0
		for _, c := range citation.FindAllString(read(t, name), -1) {
			for _, test := range testName.FindAllString(c, -1) {
				cited++
				if !there[test] {
					t.Errorf("docs/%s cites %s, which is no test", name, test)
				}
			}
		}
		if cited == 0 {
			t.Errorf("docs/%s cites no test", name)
		}
	}
}

// The chart has the values that the documents speak of.
func TestValues(t *testing.T) {
	text, err := os.ReadFile("../../charts/kube-smcroute/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	has := func(path string) bool {
		var v any = values
		for _, key := range strings.Split(path, ".") {
			m, _ := v.(map[string]any)
			next, ok := m[key]
			if !ok {
				return false
			}
			v = next
		}
		return true
	}
	for _, name := range documents {
		for _, span := range regexp.MustCompile("`[^`\n]+`").FindAllString(read(t, name), -1) {
			for _, path := range value.FindAllString(span, -1) {
				if !has(path) {
					t.Errorf("docs/%s speaks of %s, which is no value of the chart", name, path)
				}
			}
		}
	}
}

// What any document links to is there, the heading as well.
func TestLinks(t *testing.T) {
	paths, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(paths) < len(documents) {
		t.Fatalf("%d documents, %v", len(paths), err)
	}
	all := []string{"../README.md", "../CONTRIBUTING.md", "../charts/kube-smcroute/README.md"}
	for _, path := range paths {
		all = append(all, filepath.Base(path))
	}
	for _, name := range all {
		for _, m := range link.FindAllStringSubmatch(read(t, name), -1) {
			file, fragment, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			path := filepath.Join("../../docs", filepath.Dir(name), file)
			if file == "" {
				path = filepath.Join("../../docs", name)
			}
			text, err := os.ReadFile(path)
			info, statErr := os.Stat(path)
			switch {
			case statErr != nil:
				t.Errorf("docs/%s links to %s: %v", name, m[1], statErr)
			case info.IsDir():
			case err != nil:
				t.Error(err)
			case fragment != "" && !anchors(string(text))[fragment]:
				t.Errorf("docs/%s links to %s, and there is no such heading", name, m[1])
			}
		}
	}
}

// anchors are the fragments of a document's headings, as forges make them.
func anchors(text string) map[string]bool {
	set := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		id := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z':
				return r
			}
			return -1
		}, strings.ToLower(m[1]))
		set[id] = true
	}
	for _, m := range anchor.FindAllStringSubmatch(text, -1) {
		set[m[1]] = true
	}
	return set
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
