package crd_test

import (
	"context"
	"slices"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apimachinery/pkg/util/version"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/smcroute/kube-smcroute/config/crd"
)

// oldest is the oldest release of Kubernetes whose API server has what the rules
// use, and which the README names.
var oldest = version.MajorMinor(1, 31)

func load(t *testing.T) []*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	crds, err := crd.Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(crds) != 3 {
		t.Fatalf("%d definitions, want 3", len(crds))
	}
	return crds
}

// An API server refuses a definition that is not in order, or whose rules might
// cost it too much.
func TestAPIServerAcceptsDefinitions(t *testing.T) {
	for _, c := range load(t) {
		apiextensionsv1.SetDefaults_CustomResourceDefinition(c)
		apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&c.Spec)
		c.Status.StoredVersions = []string{c.Spec.Versions[0].Name} // as it does before it validates
		var internal apiextensions.CustomResourceDefinition
		if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(c, &internal, nil); err != nil {
			t.Fatal(err)
		}
		for _, err := range crdvalidation.ValidateCustomResourceDefinition(context.Background(), &internal) {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}

func TestRulesCompileForOldestRelease(t *testing.T) {
	rules := 0
	for _, c := range load(t) {
		var internal apiextensions.JSONSchemaProps
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(c.Spec.Versions[0].Schema.OpenAPIV3Schema, &internal, nil); err != nil {
			t.Fatal(err)
		}
		s, err := structuralschema.NewStructural(&internal)
		if err != nil {
			t.Fatal(err)
		}
		visit(c.Name, s, func(path string, s *structuralschema.Structural) {
			results, err := cel.Compile(s, model.SchemaDeclType(s, false), celconfig.PerCallLimit,
				environment.MustBaseEnvSet(oldest), cel.NewExpressionsEnvLoader())
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			rules += len(results)
			for i, r := range results {
				if r.Error != nil || r.MessageExpressionError != nil {
					t.Errorf("%s, rule %d: %v %v", path, i+1, r.Error, r.MessageExpressionError)
				}
			}
		})
	}
	if rules == 0 {
		t.Error("found no rules")
	}
}

// visit calls f for each part of a schema that has rules.
func visit(path string, s *structuralschema.Structural, f func(string, *structuralschema.Structural)) {
	if len(s.XValidations) > 0 {
		f(path, s)
	}
	if s.Items != nil {
		visit(path+"[]", s.Items, f)
	}
	for name := range s.Properties {
		property := s.Properties[name]
		visit(path+"."+name, &property, f)
	}
}

// What "kubectl explain" and "kubectl get" show is in the definitions.
func TestDefinitionsAreComplete(t *testing.T) {
	for _, c := range load(t) {
		if !slices.Contains(c.Spec.Names.Categories, "multicast") || len(c.Spec.Names.ShortNames) == 0 {
			t.Errorf("%s: expected the category multicast and a short name, got %+v", c.Name, c.Spec.Names)
		}
		v := c.Spec.Versions[0]
		if len(v.AdditionalPrinterColumns) == 0 {
			t.Errorf("%s has no printer columns", c.Name)
		}
		for name, part := range v.Schema.OpenAPIV3Schema.Properties {
			if name != "metadata" {
				described(t, c.Spec.Names.Kind+"."+name, part)
			}
		}
	}
}

func described(t *testing.T, path string, s apiextensionsv1.JSONSchemaProps) {
	if s.Description == "" {
		t.Errorf("%s has no description", path)
	}
	for name, part := range s.Properties {
		described(t, path+"."+name, part)
	}
	if s.Items != nil && s.Items.Schema != nil && s.Items.Schema.Type == "object" {
		described(t, path+"[]", *s.Items.Schema)
	}
}
