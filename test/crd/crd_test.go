package crd

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	config "github.com/smcroute/kube-smcroute/config/crd"
)

var update = flag.Bool("update", false, "write what is said into the files of testdata/invalid; then read it")

// ask returns the errors of an object, in the order of their text.
func ask(v *config.Validator, c Case) []string {
	obj := c.Object.DeepCopy()
	v.Default(obj)
	var got []string
	for _, err := range v.Validate(obj) {
		got = append(got, err.Error())
	}
	slices.Sort(got)
	return got
}

func newValidator(t *testing.T) *config.Validator {
	t.Helper()
	v, err := config.NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestInvalid(t *testing.T) {
	cases, err := Invalid()
	if err != nil {
		t.Fatal(err)
	}
	v := newValidator(t)
	if *update {
		write(t, cases, v)
		return
	}
	for _, c := range cases {
		t.Run(c.Name(), func(t *testing.T) {
			got := ask(v, c)
			if len(got) == 0 {
				t.Fatal("accepted")
			}
			if diff := cmp.Diff(c.Want, got); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValid(t *testing.T) {
	cases, err := Valid()
	if err != nil {
		t.Fatal(err)
	}
	v := newValidator(t)
	for _, c := range cases {
		t.Run(c.Name(), func(t *testing.T) {
			if got := ask(v, c); len(got) > 0 {
				t.Errorf("refused:\n%s", strings.Join(got, "\n"))
			}
		})
	}
}

// write puts what is said about each document at its beginning.
func write(t *testing.T, cases []Case, v *config.Validator) {
	t.Helper()
	var files []string
	for _, c := range cases {
		files = append(files, c.File)
	}
	for _, file := range slices.Compact(files) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents := bytes.Split(text, []byte(separator))
		for i, document := range documents {
			c, err := parse(document)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			for _, err := range ask(v, c) {
				out.WriteString(want + err + "\n")
			}
			for line := range bytes.Lines(document) {
				if !bytes.HasPrefix(line, []byte(want)) {
					out.Write(line)
				}
			}
			documents[i] = out.Bytes()
		}
		if err := os.WriteFile(file, bytes.Join(documents, []byte(separator)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Each rule of each kind has an object that breaks it.
func TestEveryRuleIsBroken(t *testing.T) {
	cases, err := Invalid()
	if err != nil {
		t.Fatal(err)
	}
	crds, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, crd := range crds {
		kind := crd.Spec.Names.Kind
		visit("", *crd.Spec.Versions[0].Schema.OpenAPIV3Schema, func(path string, rule apiextensionsv1.ValidationRule) {
			rules++
			broken := slices.ContainsFunc(cases, func(c Case) bool {
				return c.Object.GetKind() == kind && slices.ContainsFunc(c.Want, func(w string) bool {
					return strings.HasPrefix(w, path) && strings.HasSuffix(w, ": "+rule.Message)
				})
			})
			if !broken {
				t.Errorf("no %s of testdata/invalid breaks the rule of %s: %s", kind, path, rule.Message)
			}
		})
	}
	if rules < 40 {
		t.Errorf("found only %d rules", rules)
	}
}

// visit calls f for each rule of a schema. A path has no indexes, and ends at the
// first list.
func visit(path string, s apiextensionsv1.JSONSchemaProps, f func(string, apiextensionsv1.ValidationRule)) {
	for _, rule := range s.XValidations {
		f(path, rule)
	}
	if s.Items != nil {
		visit(path, *s.Items.Schema, f)
	}
	for name, property := range s.Properties {
		child := name
		if path != "" {
			child = path + "." + name
		}
		if s.Type == "object" && strings.HasPrefix(path, "spec.to") {
			child = path // whose fields have an index before them
		}
		visit(child, property, f)
	}
}
