package agent

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGlob(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"a.conf", "b.conf", ".c.conf", "!.conf", "d/x.conf", "d-1/x.conf", ".e/x.conf", "[.conf"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		pattern string
		want    []string
	}{
		{"[ab].conf", []string{"a.conf", "b.conf"}},
		{"[!a!].conf", []string{"[.conf", "b.conf"}},
		{"[^a!].conf", []string{"[.conf", "b.conf"}},
		{"[a!].conf", []string{"!.conf", "a.conf"}},
		{`[\]!].conf`, []string{"!.conf"}},
		{`\[*`, []string{"[.conf"}},
		{"./[!b].conf", []string{"!.conf", "[.conf", "a.conf"}},
		{"*/x.conf", []string{"d-1/x.conf", "d/x.conf"}},
		{"?e//*", nil},
		{".e/*", []string{".e/x.conf"}},
		{".*.conf", []string{".c.conf"}},
		{`\.c*`, []string{".c.conf"}},
		{"none", nil},
	} {
		got, err := glob(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" && len(tt.want)+len(got) > 0 {
			t.Errorf("%s (-want +got):\n%s", tt.pattern, diff)
		}
	}
	if _, err := glob("["); err == nil {
		t.Error("[: no error")
	}
}
