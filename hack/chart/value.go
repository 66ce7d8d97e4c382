package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

const valuesFile = "values.yaml"

// value is one of values.yaml: a leaf, or a map of others.
type value struct {
	path        string // as for "helm --set"; "" for all of the file
	description string // "" if a map has none
	annotation  string // what @schema says, "" if there is none
	node        *yaml.Node
	children    []*value // of a map that has entries of its own
}

// read reads values.yaml. All errors are found at once; they begin with file and
// line.
func read(text []byte) (*value, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", valuesFile, err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New(valuesFile + ": expected a map of values")
	}
	all := &value{node: doc.Content[0]}
	return all, all.readChildren()
}

func (v *value) readChildren() error {
	var errs []error
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		key, node := v.node.Content[i], v.node.Content[i+1]
		child := &value{path: strings.TrimPrefix(v.path+"."+key.Value, "."), node: node}
		child.description, child.annotation = comment(key.HeadComment)
		v.children = append(v.children, child)
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf(valuesFile+":%d: %s "+format, append([]any{key.Line, child.path}, args...)...))
		}
		isMap := node.Kind == yaml.MappingNode && len(node.Content) > 0 && child.annotation == ""
		if !isMap && child.description == "" {
			bad("has no comment that says what it is for")
		}
		if len(node.Content) == 0 && node.Kind != yaml.ScalarNode && child.annotation == "" {
			bad("is empty: expected an @schema that says what may be in it")
		}
		if isMap {
			errs = append(errs, child.readChildren())
		}
	}
	return errors.Join(errs...)
}

// comment takes what is said for programs out of a comment.
func comment(text string) (description, annotation string) {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "#"))
		if a, ok := strings.CutPrefix(line, "@schema"); ok {
			annotation = strings.TrimSpace(a)
		} else if line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " "), annotation
}

// flow is the default in one line.
func (v *value) flow() (string, error) {
	node, err := plain(v.node)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	if err := e.Encode(node); err != nil {
		return "", err
	}
	return strings.Join(strings.Fields(b.String()), " "), nil
}

// plain is a copy of a node without comments, in flow style.
func plain(n *yaml.Node) (*yaml.Node, error) {
	var c yaml.Node
	text, err := yaml.Marshal(n)
	if err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		return nil, err
	}
	inFlow(&c)
	return &c, nil
}

func inFlow(n *yaml.Node) {
	n.HeadComment, n.LineComment, n.FootComment = "", "", ""
	if n.Kind != yaml.ScalarNode {
		n.Style = yaml.FlowStyle
	}
	for _, child := range n.Content {
		inFlow(child)
	}
}
