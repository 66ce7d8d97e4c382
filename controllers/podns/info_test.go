package podns

import (
	"path"
	"slices"
	"strings"
	"testing"
)

func TestParseInfo(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`{"pid":7,"runtimeSpec":{"linux":{"namespaces":[{"type":"network","path":"/run/netns/a"}]}}}`, "/run/netns/a /proc/7/ns/net"},
		{`{"pid":7,"runtimeSpec":{"linux":{"namespaces":[{"type":"network","path":"/var/run/netns/a"}]}}}`, "/run/netns/a /var/run/netns/a /proc/7/ns/net"},
		{`{"pid":7,"runtimeSpec":{"linux":{"namespaces":[{"type":"network"},{"type":"ipc","path":"/x"}]}}}`, "/proc/7/ns/net"},
		{`{"pid":-1,"runtimeSpec":{"linux":null}}`, ""},
		{`{}`, ""},
		{`null`, ""},
	} {
		got, err := parseInfo([]byte(tt.text))
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.text, got, err, tt.want)
		}
	}
}

func FuzzParseInfo(f *testing.F) {
	f.Add([]byte(`{"pid":7,"runtimeSpec":{"linux":{"namespaces":[{"type":"network","path":"/var/run/netns/a"}]}}}`))
	f.Add([]byte(`{"pid":"7"}`))
	f.Add([]byte(`{"runtimeSpec":{"linux":{"namespaces":[{"type":"network","path":"../a"}]}}}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, text []byte) {
		paths, err := parseInfo(text)
		if err != nil && paths != nil {
			t.Errorf("both %q and %v", paths, err)
		}
		if slices.ContainsFunc(paths, func(p string) bool { return !path.IsAbs(p) || path.Clean(p) != p || strings.ContainsRune(p, 0) }) {
			t.Errorf("%q: not all are clean and absolute", paths)
		}
	})
}
