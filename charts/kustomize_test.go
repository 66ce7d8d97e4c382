package charts_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/diff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// differences are those that there may be between what the chart installs and
// config/default. Each takes itself out, and reports whether it was there.
var differences = []struct {
	what, why string
	drop      func(chart, config map[string]*unstructured.Unstructured) bool
}{
	{
		what: "the namespace", why: "it is made by whoever runs Helm: a release cannot be in a namespace of its own making",
		drop: func(_, config map[string]*unstructured.Unstructured) bool {
			n := len(config)
			delete(config, "Namespace "+namespace)
			return len(config) < n
		},
	},
	{
		what: "labels", why: "Helm's own, by which its tools find what is part of a release",
		drop: func(chart, config map[string]*unstructured.Unstructured) (found bool) {
			for name, obj := range chart {
				labels := obj.GetLabels()
				for _, key := range []string{
					"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version",
					"app.kubernetes.io/managed-by", "helm.sh/chart",
				} {
					if config[name] == nil || config[name].GetLabels()[key] == "" {
						found = found || labels[key] != ""
						delete(labels, key)
					}
				}
				if len(labels) == 0 {
					labels = nil
				}
				obj.SetLabels(labels)
			}
			return found
		},
	},
	{
		what: "helm.sh/resource-policy", why: "it is for Helm, which leaves the definitions when it uninstalls",
		drop: func(chart, _ map[string]*unstructured.Unstructured) (found bool) {
			for _, obj := range chart {
				annotations := obj.GetAnnotations()
				if _, ok := annotations["helm.sh/resource-policy"]; ok && obj.GetKind() == "CustomResourceDefinition" {
					found = true
					delete(annotations, "helm.sh/resource-policy")
					obj.SetAnnotations(annotations)
				}
			}
			return found
		},
	},
}

// kustomize builds what a kustomization.yaml beside config would have.
func kustomize(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "config"), os.DirFS("../config")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := command(nil, tool(t, "kustomize"), "build", dir)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// written is the object in YAML, with its fields in the order of their names.
func written(t *testing.T, obj *unstructured.Unstructured) []byte {
	t.Helper()
	text, err := yaml.Marshal(obj.Object)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Whoever takes kustomize gets what others get from Helm.
func TestChartEqualsKustomize(t *testing.T) {
	for _, test := range []struct{ name, values, kustomization string }{
		{"defaults", "", "resources: [config/default]"},
		{
			"pod network namespaces", "agent: {podNetworkNamespaces: {enabled: true}}",
			"resources: [config/default]\ncomponents: [config/pod-network-namespaces]",
		},
		{
			"monitoring", "agent: {metrics: {enabled: true}}\nmetrics: {podMonitor: {enabled: true}, rules: {enabled: true}, dashboard: {enabled: true}}",
			"resources: [config/default]\ncomponents: [config/monitoring]",
		},
		{
			"another image", "image: {repository: registry.example/smcroute, tag: '7'}",
			"resources: [config/default]\nimages: [{name: kube-smcroute, newName: registry.example/smcroute, newTag: '7'}]",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			chart := untyped(t, mustInstall(t, test.values).Manifest)
			config := untyped(t, kustomize(t, test.kustomization))
			for _, d := range differences {
				if !d.drop(chart, config) {
					t.Errorf("the difference %q (%s) is none any more", d.what, d.why)
				}
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(config)), slices.Sorted(maps.Keys(chart))); diff != "" {
				t.Errorf("objects (-config +chart):\n%s", diff)
			}
			for name, obj := range config {
				if chart[name] == nil {
					continue
				}
				if diff := diff.Diff("config", written(t, obj), "chart", written(t, chart[name])); diff != nil {
					t.Errorf("%s:\n%s", name, diff)
				}
			}
		})
	}
}
