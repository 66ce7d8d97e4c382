package yamldoc

import (
	"strings"
	"testing"
)

const text = `# A comment.
spec:
  to:
  - interface: eth1
  - {interface: eth2,
     ttl: 4}
  labels:
    a.b/c: d
---
other: &x
  deep: 1
again: *x
...
--- {one: line}
---
# Nothing.
`

func TestFind(t *testing.T) {
	docs := Split([]byte(text))
	for i := range docs {
		if _, err := docs[i].Decode(); err != nil {
			t.Fatal(err)
		}
	}
	if len(docs) != 4 {
		t.Fatalf("%d documents, want 4", len(docs))
	}
	for _, tt := range []struct {
		doc  int
		path string
		want int
	}{
		{0, "", 2}, {0, "spec", 2}, {0, "spec.to", 3}, {0, "spec.to[0]", 4}, {0, "spec.to[0].interface", 4},
		{0, "spec.to[1].interface", 5}, {0, "spec.to[1].ttl", 6}, {0, "spec.to[1].missing.more", 5},
		{0, "spec.to[2]", 3}, {0, "spec.to[-1]", 3}, {0, "spec.missing", 2}, {0, "missing", 2},
		{0, "spec.labels[a.b/c]", 8}, {0, "spec..to", 2}, {0, "spec.to[0", 3},
		{1, "", 10}, {1, "other.deep", 11}, {1, "again.deep", 11},
		{2, "one", 14},
	} {
		if got := docs[tt.doc].Find(tt.path); got != tt.want {
			t.Errorf("%d: %q is at line %d, want %d", tt.doc, tt.path, got, tt.want)
		}
	}
}

// What is decoded is what kubectl would make of it.
func TestDecode(t *testing.T) {
	for in, want := range map[string]any{
		"on": true, "7": int64(7), "7.5": 7.5, "x": "x", "# x": nil, "2026-01-02": "2026-01-02", "~": nil,
	} {
		docs := Split([]byte(in))
		if got, err := docs[0].Decode(); err != nil || got != want {
			t.Errorf("%q is %v (%T), %v, want %v", in, got, got, err, want)
		}
	}
}

// FuzzDecode: whatever the text, lines are those of the text.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(text))
	f.Add([]byte("a: &a [1]\nb: &b [*a,*a]\nc: [*b,*b]\n"))
	f.Add([]byte("---\n...\n---\r\n%YAML 1.2\n--- |\n x\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("a: b: c\n---\n{a: 1} {b: 2}\n---\na: 1\na: 2\n"))
	f.Add([]byte("spec: {to: [!!binary x, .nan, 0x7]}\n? [1]\n: 2\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := strings.Count(string(text), "\n") + 1
		for _, d := range Split(text) {
			_, err := d.Decode()
			if err != nil && (err.Line < 1 || err.Line > lines || err.Message == "") {
				t.Errorf("line %d of %d: %q", err.Line, lines, err.Message)
			}
			for _, path := range []string{"", "spec.to[0]", "a", "a.b[1]"} {
				if n := d.Find(path); n < 1 || n > lines {
					t.Errorf("%q: line %d of %d", path, n, lines)
				}
			}
		}
	})
}
