package imports

import (
	"encoding/json"
	"os/exec"
	"testing"
)

// modules returns the versions that a go.mod asks for, replacements applied,
// by path. With a complete go.mod, as "go mod tidy" leaves it, these are the
// versions that are built.
func modules(t *testing.T, file string) map[string]string {
	t.Helper()
	out, err := exec.Command("go", "mod", "edit", "-json", file).Output()
	if err != nil {
		t.Fatalf("go mod edit -json %s: %v", file, err)
	}
	type module struct{ Path, Version string }
	var mod struct {
		Require []module
		Replace []struct{ Old, New module }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	versions := map[string]string{}
	for _, m := range mod.Require {
		versions[m.Path] = m.Version
	}
	for _, r := range mod.Replace {
		if _, ok := versions[r.Old.Path]; ok {
			versions[r.Old.Path] = r.New.Version
		}
	}
	return versions
}

// What the operator has in common with the Kubernetes of its tests, and with
// promtool, is compiled once, but only if the versions are equal.
func TestKubeboxModules(t *testing.T) {
	for file, cost := range map[string]string{
		"../kubebox/go.mod":    "about 15 minutes",
		"../monitoring/go.mod": "about two minutes",
	} {
		others := modules(t, file)
		shared := 0
		for path, version := range modules(t, "../../go.mod") {
			other, ok := others[path]
			if !ok {
				continue
			}
			shared++
			if other != version {
				t.Errorf("%s is %s in go.mod and %s in %s: give both the same version, or everything above it compiles twice (%s)", path, version, other, file, cost)
			}
		}
		if shared < 50 {
			t.Errorf("only %d modules are in both go.mod and %s: expected most of them", shared, file)
		}
	}
}
