package imports

import (
	"strings"
	"testing"
)

// What the operator has in common with helm, and with the tools that read its
// types, is compiled once, too: Kubernetes' libraries, and what these are built
// on.
func TestToolModules(t *testing.T) {
	const file = "../tools/go.mod"
	tools := modules(t, file)
	shared := 0
	for path, version := range modules(t, "../../go.mod") {
		other, ok := tools[path]
		under := strings.HasPrefix(path, "k8s.io/") || strings.HasPrefix(path, "sigs.k8s.io/") || matches(path, []string{
			"golang.org/x/net", "golang.org/x/sys", "golang.org/x/text", "github.com/go-logr/logr", "github.com/spf13/pflag",
			"google.golang.org/grpc", "google.golang.org/protobuf", "github.com/google/gnostic-models", "go.yaml.in/yaml/v3",
		})
		// Helm wants a later kyaml than the kubectl that hack/kubebox builds. Little is
		// above it.
		if !ok || !under || path == "sigs.k8s.io/kustomize/kyaml" {
			continue
		}
		shared++
		if other != version {
			t.Errorf("%s is %s in go.mod and %s in hack/tools/go.mod: give both the same version, or everything above it compiles twice", path, version, other)
		}
	}
	if shared < 10 {
		t.Errorf("only %d modules are in both go.mod and hack/tools/go.mod: expected more", shared)
	}
}
