package crd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/config/crd"
)

func newValidator(t testing.TB) *crd.Validator {
	t.Helper()
	v, err := crd.NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// object reads one YAML document.
func object(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	obj, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

func decode(text string) (*unstructured.Unstructured, error) {
	json, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return nil, err
	}
	obj := new(unstructured.Unstructured)
	return obj, obj.UnmarshalJSON(json)
}

const route = `
apiVersion: multicast.smcroute.io/v1alpha1
kind: MulticastRoute
metadata: {name: a, namespace: b}
spec:
  from: {interface: eth0}
  groups: [225.1.2.3]
`

// The values of a field that the schemas have defaults for, and a null.
func TestDefault(t *testing.T) {
	for _, test := range []struct{ name, more string }{
		{"absent", ""},
		{"null", "  networkNamespace:\n  table:\n  sources:\n"},
		{"in part", "  networkNamespace: {}\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v, obj := newValidator(t), object(t, route+test.more)
			v.Default(obj)
			want := map[string]any{
				"from":             map[string]any{"interface": "eth0"},
				"groups":           []any{"225.1.2.3"},
				"networkNamespace": map[string]any{"type": "Host"},
				"table":            int64(0),
			}
			if diff := cmp.Diff(want, obj.Object["spec"]); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
			if errs := v.Validate(obj); len(errs) > 0 {
				t.Error(errs)
			}
		})
	}
}

// What is wrong with whole objects; the rules of their fields are in test/crd.
func TestValidate(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"good", route, ""},
		{"unknown fields", route + "  group: 225.1.2.3\n  to: [{interface: eth1, treshold: 4}]\nextra: 1\n",
			"extra: Forbidden: there is no such field\nspec.group: Forbidden: there is no such field\nspec.to[0].treshold: Forbidden: there is no such field"},
		{"unknown field of metadata", strings.Replace(route, "{name: a", "{label: x, name: a", 1),
			"metadata.label: Forbidden: there is no such field"},
		{"metadata of another type", strings.Replace(route, "{name: a", "{labels: [x], name: a", 1),
			`metadata: Invalid value: {"labels":["x"],"name":"a","namespace":"b"}: json: cannot unmarshal array into Go struct field ObjectMeta.labels of type map[string]string`},
		{"bad name", strings.Replace(route, "name: a", "name: A_b", 1),
			`metadata.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`},
		{"no name", strings.Replace(route, "name: a, ", "", 1),
			"metadata.name: Required value: name or generateName is required"},
		{"no namespace", strings.Replace(route, ", namespace: b", "", 1),
			"metadata.namespace: Required value"},
		{"no spec", "apiVersion: multicast.smcroute.io/v1alpha1\nkind: MulticastRoute\nmetadata: {name: a, namespace: b}\n",
			"spec: Required value"},
		{"other kind", strings.Replace(route, "MulticastRoute", "MulticastRout", 1),
			`kind: Unsupported value: "MulticastRout": supported values: "MulticastGroup", "MulticastNodeState", "MulticastRoute"`},
		{"other version", strings.Replace(route, "v1alpha1", "v1", 1),
			`apiVersion: Unsupported value: "multicast.smcroute.io/v1": supported values: "multicast.smcroute.io/v1alpha1"`},
		{"namespace of what has none", "apiVersion: multicast.smcroute.io/v1alpha1\nkind: MulticastNodeState\nmetadata: {name: a, namespace: b}\n",
			"metadata.namespace: Forbidden: not allowed on this type"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v, obj := newValidator(t), object(t, test.text)
			v.Default(obj)
			before := obj.DeepCopy()
			var got []string
			for _, err := range v.Validate(obj) {
				got = append(got, err.Error())
			}
			slices.Sort(got)
			if diff := cmp.Diff(test.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, obj); diff != "" {
				t.Errorf("Validate changed the object:\n%s", diff)
			}
		})
	}
}

// An object that a program writes, with the zero values of Go, is valid: what
// is null, and what is left out.
func TestZeroStatusIsValid(t *testing.T) {
	v := newValidator(t)
	state := v1alpha1.MulticastNodeState{}
	state.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("MulticastNodeState"))
	state.Name = "n1"
	text, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	obj := object(t, string(text))
	v.Default(obj)
	for _, err := range v.Validate(obj) {
		t.Error(err)
	}
}

// Whatever is in a document, the answer is an error and not a panic; and what
// is valid is what the Go types hold, no field of it lost.
func FuzzValidate(f *testing.F) {
	f.Add(route)
	f.Add("apiVersion: multicast.smcroute.io/v1alpha1\nkind: MulticastGroup\nmetadata: 7\nspec: [1, {a: null}]\n")
	files, _ := filepath.Glob("../../test/crd/testdata/*/*.yaml")
	if len(files) == 0 {
		f.Fatal("no seeds")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, document := range strings.Split(string(text), "---\n") {
			f.Add(document)
		}
	}
	v := newValidator(f)
	f.Fuzz(func(t *testing.T, text string) {
		obj, err := decode(text)
		if err != nil {
			return
		}
		v.Default(obj)
		if len(v.Validate(obj)) > 0 || obj.GetKind() != "MulticastRoute" {
			return
		}
		var r v1alpha1.MulticastRoute
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(obj.Object, &r, true); err != nil {
			t.Errorf("valid, but the types don't hold it: %v", err)
		}
	})
}
