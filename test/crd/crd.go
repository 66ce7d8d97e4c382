// Package crd has objects that an API server with our definitions must refuse,
// each with what it must say, and others that it must accept. The test here asks
// the validator of config/crd about them; that of test/api asks a real API
// server.
package crd

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

//go:embed testdata
var testdata embed.FS

// Case is an object, and what is to be said about it.
type Case struct {
	File   string // below testdata
	Object *unstructured.Unstructured
	Want   []string // the text of each error, in order; none if the object is valid
}

// Name is that of the object.
func (c Case) Name() string { return c.Object.GetName() }

// Invalid returns the objects that must be refused.
func Invalid() ([]Case, error) { return read("testdata/invalid") }

// Valid returns the objects that must be accepted.
func Valid() ([]Case, error) { return read("testdata/valid") }

// want begins a line of a document that tells an error.
const want = "# want: "

// separator stands between the documents of a file.
const separator = "---\n"

func read(dir string) ([]Case, error) {
	files, err := fs.Glob(testdata, path.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var cases []Case
	for _, file := range files {
		text, err := testdata.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for i, document := range bytes.Split(text, []byte(separator)) {
			c, err := parse(document)
			if err != nil {
				return nil, fmt.Errorf("%s, document %d: %w", file, i+1, err)
			}
			if slices.ContainsFunc(cases, func(o Case) bool { return o.Name() == c.Name() }) {
				return nil, fmt.Errorf("%s: a second object of the name %s", file, c.Name())
			}
			c.File = file
			cases = append(cases, c)
		}
	}
	if cases == nil {
		return nil, fmt.Errorf("%s has no objects", dir)
	}
	return cases, nil
}

func parse(document []byte) (Case, error) {
	var c Case
	for line := range strings.Lines(string(document)) {
		if text, ok := strings.CutPrefix(line, want); ok {
			c.Want = append(c.Want, strings.TrimSuffix(text, "\n"))
		}
	}
	json, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return c, err
	}
	c.Object = new(unstructured.Unstructured)
	return c, c.Object.UnmarshalJSON(json)
}
