package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// dialect is the JSON Schema that every Helm since 3 reads.
const dialect = "http://json-schema.org/draft-07/schema#"

//go:embed definitions.yaml
var definitions []byte

// schema is what is used of JSON Schema.
type schema struct {
	Schema               string             `json:"$schema,omitempty"`
	Ref                  string             `json:"$ref,omitempty"`
	Title                string             `json:"title,omitempty"`
	Description          string             `json:"description,omitempty"`
	Type                 any                `json:"type,omitempty"`
	Enum                 []any              `json:"enum,omitempty"`
	Pattern              string             `json:"pattern,omitempty"`
	MinLength            *int               `json:"minLength,omitempty"`
	MaxLength            *int               `json:"maxLength,omitempty"`
	Minimum              *int               `json:"minimum,omitempty"`
	Maximum              *int               `json:"maximum,omitempty"`
	MinItems             *int               `json:"minItems,omitempty"`
	Items                *schema            `json:"items,omitempty"`
	Required             []string           `json:"required,omitempty"`
	Properties           map[string]*schema `json:"properties,omitempty"`
	AdditionalProperties any                `json:"additionalProperties,omitempty"`
	Definitions          map[string]*schema `json:"definitions,omitempty"`
}

// schemaOf returns the text of values.schema.json.
func schemaOf(values *value) ([]byte, error) {
	defined := map[string]*schema{}
	if err := yaml.UnmarshalStrict(definitions, &defined); err != nil {
		return nil, fmt.Errorf("definitions.yaml: %w", err)
	}
	s := &schema{Schema: dialect, Title: "Values of the chart kube-smcroute", Definitions: defined}
	if err := s.describe(values); err != nil {
		return nil, err
	}
	// Helm hands it to every chart that is part of another.
	s.Properties["global"] = &schema{Type: "object", Description: "Values of all charts, which this one does not use."}
	used := map[string]bool{}
	if err := s.resolve(defined, used); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(defined)) {
		if !used[name] {
			return nil, fmt.Errorf("definitions.yaml: nothing refers to %s", name)
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(s)
	return b.Bytes(), err
}

// describe makes s the schema of v. Values are required that a template cannot do
// without: maps of values, and scalars with a default that is not empty. Who sets
// one to null, or reuses the values of a release that did not know it, has none.
func (s *schema) describe(v *value) error {
	if v.annotation != "" {
		if err := yaml.UnmarshalStrict([]byte(v.annotation), s); err != nil {
			return fmt.Errorf(valuesFile+":%d: @schema of %s: %w", v.node.Line, v.path, err)
		}
	}
	s.Description = v.description
	if s.Type == nil && s.Ref == "" {
		s.Type = types[v.node.ShortTag()]
		if s.Type == nil {
			return fmt.Errorf(valuesFile+":%d: %s is of no type that is known here (%s)", v.node.Line, v.path, v.node.ShortTag())
		}
	}
	if len(v.children) == 0 {
		return nil
	}
	s.AdditionalProperties = false
	s.Properties = map[string]*schema{}
	for _, child := range v.children {
		c := &schema{}
		if err := c.describe(child); err != nil {
			return err
		}
		name := child.path[strings.LastIndex(child.path, ".")+1:]
		s.Properties[name] = c
		if len(child.children) > 0 || child.node.Value != "" || c.MinItems != nil {
			s.Required = append(s.Required, name)
		}
	}
	return nil
}

// types are those of JSON by YAML's tags.
var types = map[string]any{"!!str": "string", "!!int": "integer", "!!bool": "boolean", "!!map": "object", "!!seq": "array"}

// resolve makes pointers of the names of definitions.
func (s *schema) resolve(defined map[string]*schema, used map[string]bool) error {
	if s == nil {
		return nil
	}
	if s.Ref != "" {
		if defined[s.Ref] == nil {
			return fmt.Errorf("%s, @schema: $ref: there is no %q in definitions.yaml", valuesFile, s.Ref)
		}
		used[s.Ref] = true
		s.Ref = "#/definitions/" + s.Ref
	}
	for _, part := range append(slices.Collect(maps.Values(s.Properties)), append(slices.Collect(maps.Values(s.Definitions)), s.Items)...) {
		if err := part.resolve(defined, used); err != nil {
			return err
		}
	}
	return nil
}
