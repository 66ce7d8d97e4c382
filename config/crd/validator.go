package crd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

// Validator does to objects what an API server that has the definitions does
// when they are created. It may be used by several goroutines.
type Validator struct {
	kinds map[schema.GroupVersionKind]*kind
}

// kind is one version of one definition, made ready.
type kind struct {
	namespaced bool
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

// NewValidator returns a Validator of the definitions of this package. It
// compiles their rules, which takes some ten milliseconds.
func NewValidator() (*Validator, error) {
	crds, err := Load()
	if err != nil {
		return nil, err
	}
	v := &Validator{kinds: map[schema.GroupVersionKind]*kind{}}
	for _, crd := range crds {
		for i := range crd.Spec.Versions {
			version := &crd.Spec.Versions[i]
			k, err := newKind(version.Schema)
			if err != nil {
				return nil, fmt.Errorf("%s, version %s: %w", crd.Name, version.Name, err)
			}
			k.namespaced = crd.Spec.Scope == apiextensionsv1.NamespaceScoped
			v.kinds[schema.GroupVersionKind{Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.Kind}] = k
		}
	}
	return v, nil
}

func newKind(in *apiextensionsv1.CustomResourceValidation) (*kind, error) {
	var internal apiextensions.CustomResourceValidation
	if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(in, &internal, nil); err != nil {
		return nil, err
	}
	structural, err := structuralschema.NewStructural(internal.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	schema, _, err := validation.NewSchemaValidator(internal.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	return &kind{
		structural: structural,
		schema:     schema,
		rules:      cel.NewValidator(structural, true, celconfig.PerCallLimit),
	}, nil
}

// Kinds returns what the Validator knows, in order.
func (v *Validator) Kinds() []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for gvk := range v.kinds {
		kinds = append(kinds, gvk)
	}
	slices.SortFunc(kinds, func(a, b schema.GroupVersionKind) int { return strings.Compare(a.String(), b.String()) })
	return kinds
}

// Default fills in the defaults. An object of a kind that the Validator does
// not know stays as it is.
//
// The values in obj are those of a decoded JSON document: int64 or float64,
// string, bool, nil, []any and map[string]any.
func (v *Validator) Default(obj *unstructured.Unstructured) {
	k := v.kinds[obj.GroupVersionKind()]
	if k == nil || obj.Object == nil {
		return
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(obj.Object, k.structural)
	defaulting.Default(obj.Object, k.structural)
}

// Validate says what is wrong with an object: first the fields that no object of
// its kind has, then what an API server would refuse. It does not change obj,
// which has its defaults already.
//
// As in an API server, the rules that look at several fields are not checked
// while a field has the wrong type or is missing, or a list or text is too long.
func (v *Validator) Validate(obj *unstructured.Unstructured) field.ErrorList {
	k := v.kinds[obj.GroupVersionKind()]
	if k == nil {
		return field.ErrorList{v.unknownKind(obj)}
	}

	meta, _, unknown, err := objectmeta.GetObjectMetaWithOptions(obj.Object, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		return field.ErrorList{field.TypeInvalid(field.NewPath("metadata"), obj.Object["metadata"], err.Error())}
	}
	if meta == nil {
		meta = &metav1.ObjectMeta{}
	}
	var errs field.ErrorList
	// The copy loses them, and is thrown away.
	unknown = append(unknown, pruning.PruneWithOptions(obj.DeepCopy().Object, k.structural, true,
		structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})...)
	for _, path := range unknown {
		errs = append(errs, &field.Error{
			Type: field.ErrorTypeForbidden, Field: path, BadValue: "",
			Detail: "there is no such field",
		})
	}
	errs = append(errs, apivalidation.ValidateObjectMeta(meta, k.namespaced, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))...)
	errs = append(errs, validation.ValidateCustomResource(nil, obj.Object, k.schema)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, k.structural, obj.Object)...)
	if k.rules == nil || slices.ContainsFunc(errs, blocksRules) {
		return errs
	}
	broken, _ := k.rules.Validate(context.Background(), nil, k.structural, obj.Object, nil, celconfig.RuntimeCELCostBudget)
	return append(errs, broken...)
}

// blocksRules reports whether an error may make rules stumble over types that
// they don't expect, or take long.
func blocksRules(err *field.Error) bool {
	switch err.Type {
	case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
		return true
	}
	return false
}

func (v *Validator) unknownKind(obj *unstructured.Unstructured) *field.Error {
	var known []string
	for _, gvk := range v.Kinds() {
		if gvk.GroupVersion().String() == obj.GetAPIVersion() {
			known = append(known, gvk.Kind)
		}
	}
	if known != nil {
		return field.NotSupported(field.NewPath("kind"), obj.GetKind(), known)
	}
	for _, gvk := range v.Kinds() {
		if s := gvk.GroupVersion().String(); !slices.Contains(known, s) {
			known = append(known, s)
		}
	}
	return field.NotSupported(field.NewPath("apiVersion"), obj.GetAPIVersion(), known)
}
