// Package config_test checks what "kubectl apply -k config/default" applies.
package config_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/smcroute/kube-smcroute/config/crd"
)

// kustomization is what is used of a kustomization.yaml.
type kustomization struct {
	APIVersion string           `json:"apiVersion"`
	Kind       string           `json:"kind"`
	Resources  []string         `json:"resources,omitempty"`
	Components []string         `json:"components,omitempty"`
	Images     []map[string]any `json:"images,omitempty"`
	Patches    []map[string]any `json:"patches,omitempty"`
	ConfigMaps []map[string]any `json:"configMapGenerator,omitempty"`
}

// sources are files from which "make generate" makes others beside them.
var sources = []string{"monitoring/rules.yaml"}

// kustomizations returns the directories that are one, and what they say.
func kustomizations(t *testing.T) map[string]kustomization {
	t.Helper()
	files, err := filepath.Glob("*/kustomization.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no kustomizations: %v", err)
	}
	all := map[string]kustomization{}
	for _, file := range files {
		var k kustomization
		if err := yaml.UnmarshalStrict(read(t, file), &k); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		all[filepath.Dir(file)] = k
	}
	return all
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Whatever lies in a directory is in its kustomization, and the reverse.
func TestKustomizationsAreComplete(t *testing.T) {
	for dir, k := range kustomizations(t) {
		for _, r := range append(k.Resources, k.Components...) {
			if _, err := os.Stat(filepath.Join(dir, r)); err != nil {
				t.Errorf("%s: %v", dir, err)
			}
		}
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			name, _ := filepath.Rel(dir, path)
			if err == nil && filepath.Ext(name) == ".yaml" && name != "kustomization.yaml" && !slices.Contains(k.Resources, name) && !slices.Contains(sources, path) {
				t.Errorf("%s: %s is in no list", dir, name)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// documents returns the objects of a file.
func documents(t *testing.T, file string) [][]byte {
	t.Helper()
	text := bytes.TrimPrefix(read(t, file), []byte("---\n"))
	return bytes.Split(text, []byte("\n---\n"))
}

// strict reads Kubernetes' own kinds, and knows their fields.
var strict = serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

// objects returns the objects of our directories that are of Kubernetes' own
// kinds, by "Kind name".
func objects(t *testing.T) map[string]runtime.Object {
	t.Helper()
	all := map[string]runtime.Object{}
	for _, dir := range []string{"rbac", "policy", "manager"} {
		for _, r := range kustomizations(t)[dir].Resources {
			for _, text := range documents(t, filepath.Join(dir, r)) {
				obj, gvk, err := strict.Decode(text, nil, nil)
				if err != nil {
					t.Errorf("%s/%s: %v", dir, r, err)
					continue
				}
				name := gvk.Kind + " " + obj.(interface{ GetName() string }).GetName()
				if all[name] != nil {
					t.Errorf("%s/%s: a second %s", dir, r, name)
				}
				all[name] = obj
			}
		}
	}
	return all
}

// object returns one of them.
func object[T runtime.Object](t *testing.T, name string) T {
	t.Helper()
	obj, ok := objects(t)[name].(T)
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	return obj
}

func TestSamplesAreValid(t *testing.T) {
	v, err := crd.NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, r := range kustomizations(t)["samples"].Resources {
		file := filepath.Join("samples", r)
		if !bytes.HasPrefix(read(t, file), []byte("# ")) {
			t.Errorf("%s does not begin with a comment that says what it shows", file)
		}
		for _, text := range documents(t, file) {
			json, err := yaml.YAMLToJSONStrict(text)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			var obj unstructured.Unstructured
			if err := obj.UnmarshalJSON(json); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			v.Default(&obj)
			for _, err := range v.Validate(&obj) {
				t.Errorf("%s: %v", file, err)
			}
			kinds[obj.GetKind()] = true
		}
	}
	if !kinds["MulticastRoute"] || !kinds["MulticastGroup"] {
		t.Errorf("samples are only of %v", kinds)
	}
}

// TestKubectlRenders asks kubectl, whose kustomize is what users have.
func TestKubectlRenders(t *testing.T) {
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("there is no kubectl in PATH; test/api applies config/default with its own")
	}
	for dir, k := range kustomizations(t) {
		if k.Kind == "Component" {
			continue
		}
		render(t, kubectl, dir)
	}
	// As a user would: a directory of his own beside ours.
	own := t.TempDir()
	if err := os.CopyFS(filepath.Join(own, "config"), os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	text := "resources: [config/default]\ncomponents: [config/pod-network-namespaces]\n" +
		"images: [{name: kube-smcroute, newName: registry.example/smcroute, newTag: '7'}]\n"
	if err := os.WriteFile(filepath.Join(own, "kustomization.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out := render(t, kubectl, own)
	for _, want := range []string{"--pod-network-namespaces", "- SYS_ADMIN", "mountPropagation: HostToContainer", "image: registry.example/smcroute:7"} {
		if !strings.Contains(out, want) {
			t.Errorf("with pod-network-namespaces there is no %q", want)
		}
	}
}

func render(t *testing.T, kubectl, dir string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(kubectl, "kustomize", dir)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("kubectl kustomize %s: %v\n%s", dir, err, &stderr)
	}
	for i, text := range strings.Split(string(out), "\n---\n") {
		var obj map[string]any
		if err := yaml.Unmarshal([]byte(text), &obj); err != nil || obj["kind"] == nil {
			t.Errorf("kubectl kustomize %s: object %d: %v", dir, i+1, err)
		}
	}
	return string(out)
}
