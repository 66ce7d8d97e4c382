package oci

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
)

// Reference parses the name of an image, such as kube-smcroute:1.2.3 or
// registry.example/kube-smcroute:1.2.3, of which it wants a tag and no digest.
// Its String is the name in full, by which kubelets and container runtimes look
// for it.
func Reference(name string) (reference.NamedTagged, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		if strings.Contains(name, "+") {
			return nil, fmt.Errorf("%q is no name of an image: there can be no '+' in it, write '-' instead", name)
		}
		return nil, fmt.Errorf("%q is no name of an image: %w; expected one like kube-smcroute:1.2.3", name, err)
	}
	if _, ok := named.(reference.Digested); ok {
		return nil, fmt.Errorf("%q has a digest: expected a name and a tag, like kube-smcroute:1.2.3", name)
	}
	tagged, ok := named.(reference.NamedTagged)
	if !ok {
		return nil, fmt.Errorf("%q has no tag: expected one like kube-smcroute:1.2.3", name)
	}
	return tagged, nil
}
