package charts_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// document is an object as it is written.
type document struct {
	name string // "Kind name"
	text string
}

// documents takes a stream of YAML apart. A document that has nothing but
// comments is none.
func documents(t *testing.T, stream string) []document {
	t.Helper()
	var all []document
	seen := map[string]bool{}
	r := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(stream)))
	for {
		text, err := r.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		var meta metav1.PartialObjectMetadata
		if err == nil {
			err = yaml.Unmarshal(text, &meta)
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if meta.Kind == "" {
			continue
		}
		name := meta.Kind + " " + meta.Name
		if seen[name] {
			t.Errorf("a second %s", name)
		}
		seen[name] = true
		all = append(all, document{name, string(bytes.TrimSpace(bytes.TrimPrefix(text, []byte("---\n"))))})
	}
}

// untyped returns objects as maps, by their names.
func untyped(t *testing.T, stream string) map[string]*unstructured.Unstructured {
	t.Helper()
	all := map[string]*unstructured.Unstructured{}
	for _, d := range documents(t, stream) {
		json, err := yaml.YAMLToJSONStrict([]byte(d.text))
		if err != nil {
			t.Fatalf("%s: %v", d.name, err)
		}
		all[d.name] = &unstructured.Unstructured{}
		if err := all[d.name].UnmarshalJSON(json); err != nil {
			t.Fatalf("%s: %v", d.name, err)
		}
	}
	return all
}

// strict reads the kinds of Kubernetes and of the Prometheus operator, and knows
// their fields.
var strict = func() runtime.Decoder {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, apiextensionsv1.AddToScheme, monitoringv1.AddToScheme} {
		if err := add(s); err != nil {
			panic(err) // kinds of two names, known at compile time
		}
	}
	return serializer.NewCodecFactory(s, serializer.EnableStrict).UniversalDeserializer()
}()

// typed returns objects of these types, by their names. An unknown
// field is an error.
func typed(t *testing.T, stream string) map[string]runtime.Object {
	t.Helper()
	all := map[string]runtime.Object{}
	for _, d := range documents(t, stream) {
		obj, _, err := strict.Decode([]byte(d.text), nil, nil)
		if err != nil {
			t.Fatalf("%s: %v", d.name, err)
		}
		all[d.name] = obj
	}
	return all
}

// object returns one of them.
func object[T runtime.Object](t *testing.T, all map[string]runtime.Object, name string) T {
	t.Helper()
	obj, ok := all[name].(T)
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	return obj
}
