// Package crd holds the CustomResourceDefinitions of multicast.smcroute.io, and
// checks objects against them as an API server would. So a program that has no
// API server gives the same defaults, and refuses the same objects with the
// same words.
//
// The definitions in bases are made from the types of api/v1alpha1 by "make
// manifests".
package crd

import (
	"embed"
	"fmt"
	"io/fs"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

//go:embed bases/*.yaml
var bases embed.FS

// Load returns the definitions, in the order of their names. An error means
// that the program was built from files that are not in order.
func Load() ([]*apiextensionsv1.CustomResourceDefinition, error) {
	names, err := fs.Glob(bases, "bases/*.yaml")
	if err != nil {
		return nil, err
	}
	var crds []*apiextensionsv1.CustomResourceDefinition
	for _, name := range names {
		text, err := bases.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(text, &crd); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		crds = append(crds, &crd)
	}
	return crds, nil
}
