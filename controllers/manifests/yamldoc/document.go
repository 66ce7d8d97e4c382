// Package yamldoc reads files of YAML documents as kubectl does, and knows at
// which line each field is.
package yamldoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/json"
	k8syaml "sigs.k8s.io/yaml"
)

// Document is one of the documents of a file.
type Document struct {
	line int // of its first line, counted from 1
	text []byte
	tree *yaml.Node // of use for line numbers only
}

// Error is that a document is not YAML.
type Error struct {
	Line    int // of the file, counted from 1
	Message string
}

// Error returns the message, without the line.
func (e *Error) Error() string { return e.Message }

// Split cuts a file into its documents, at the lines that begin with "---" or
// are "...". A document that cannot be parsed leaves the others whole.
func Split(text []byte) []Document {
	var docs []Document
	start, startLine, line := 0, 1, 0
	flush := func(end, next, nextLine int) {
		if len(bytes.TrimSpace(text[start:end])) > 0 {
			docs = append(docs, Document{line: startLine, text: text[start:end]})
		}
		start, startLine = next, nextLine
	}
	for at := 0; at < len(text); {
		line++
		end := len(text)
		if n := bytes.IndexByte(text[at:], '\n'); n >= 0 {
			end = at + n + 1
		}
		switch marker(text[at:end]) {
		case "---":
			flush(at, at, line) // the marker is part of the document
		case "...":
			flush(at, end, line+1)
		}
		at = end
	}
	flush(len(text), len(text), line)
	return docs
}

// marker returns the "---" or "..." that a line begins with, or "".
func marker(line []byte) string {
	for _, m := range []string{"---", "..."} {
		rest, ok := bytes.CutPrefix(line, []byte(m))
		if ok && (len(rest) == 0 || strings.IndexByte(" \t\r\n", rest[0]) >= 0) {
			return m
		}
	}
	return ""
}

// Decode returns what a document holds, as a decoded JSON document: int64 or
// float64, string, bool, []any and map[string]any, and nil if it is empty but for
// comments. Call it before Find.
func (d *Document) Decode() (any, *Error) {
	if err := d.parse(); err != nil {
		return nil, d.syntaxError(err)
	}
	if d.tree == nil {
		return nil, nil
	}
	// As kubectl reads it. That is YAML 1.1, where "on" is a boolean.
	text, err := k8syaml.YAMLToJSONStrict(d.text)
	if err != nil {
		return nil, d.syntaxError(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return nil, d.syntaxError(err)
	}
	return value, nil
}

// parse makes the tree, and sees to it that nothing follows it.
func (d *Document) parse() error {
	decoder := yaml.NewDecoder(bytes.NewReader(d.text))
	var tree, more yaml.Node
	switch err := decoder.Decode(&tree); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	if err := decoder.Decode(&more); err == nil {
		return fmt.Errorf("yaml: line %d: expected --- in front of another document", more.Line)
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	d.tree = &tree
	return nil
}

// yamlError finds the line in an error of the YAML libraries, which have it in
// the text alone: "yaml: line 3: ...", "yaml: unmarshal errors:\n  line 3: ...".
var yamlError = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\s*)?(?:line (\d+): )?((?s:.*))$`)

func (d *Document) syntaxError(err error) *Error {
	e := &Error{Line: d.line, Message: err.Error()}
	if m := yamlError.FindStringSubmatch(err.Error()); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			e.Line = d.inFile(n)
		}
		e.Message = strings.Join(strings.Fields(m[2]), " ")
	}
	return e
}

// inFile turns a line of the document into one of the file. For what is missing
// at the end, the parsers may give one that there is not.
func (d *Document) inFile(line int) int {
	return d.line + max(0, min(line-1, bytes.Count(d.text, []byte("\n"))))
}

// first returns the line where the document's content begins.
func (d *Document) first() int {
	if d.tree == nil || len(d.tree.Content) == 0 {
		return d.line
	}
	return d.inFile(d.tree.Content[0].Line)
}

// Find returns the line of a field, "spec.to[1].interface", or of the innermost
// one around it that the document has.
func (d *Document) Find(path string) int {
	line := d.first()
	if d.tree == nil || len(d.tree.Content) == 0 {
		return line
	}
	node := d.tree.Content[0]
	for _, step := range steps(path) {
		for node.Kind == yaml.AliasNode {
			node = node.Alias
		}
		key, value := child(node, step)
		if value == nil {
			break
		}
		line, node = d.inFile(key.Line), value
	}
	return line
}

// steps takes a path apart: "spec.to[1].interface" is spec, to, 1, interface.
func steps(path string) []string {
	var all []string
	for path != "" {
		if path[0] == '[' {
			step, rest, ok := strings.Cut(path[1:], "]")
			if !ok {
				return all
			}
			all, path = append(all, strings.Trim(step, `"`)), rest
			continue
		}
		path = strings.TrimPrefix(path, ".")
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			end = len(path)
		}
		if end == 0 && path != "" && path[0] == '.' {
			return all // two dots
		}
		if end > 0 {
			all = append(all, path[:end])
		}
		path = path[end:]
	}
	return all
}

// child returns the key and the value of a member of a mapping or a sequence,
// or nil. The key of a sequence's item is the item itself.
func child(node *yaml.Node, step string) (key, value *yaml.Node) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i], node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], node.Content[i]
		}
	}
	return nil, nil
}
