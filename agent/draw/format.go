package draw

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"

	"go.yaml.in/yaml/v3"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// Format is how a listing comes out.
type Format string

// The formats.
const (
	Text Format = ""
	Wide Format = "wide"
	JSON Format = "json"
	YAML Format = "yaml"
)

// Formats are those that have a name.
var Formats = []Format{JSON, YAML, Wide}

// ParseFormat reads the value of the option -o.
func ParseFormat(text string) (Format, error) {
	switch f := Format(text); f {
	case Text, Wide, JSON, YAML:
		return f, nil
	}
	return Text, fmt.Errorf("output format %q, expected json, yaml or wide", text)
}

// Listing is what can be printed: [Routes], [Flows], [Tree] and [Change].
type Listing interface {
	text(s Style) string
}

func (r *Routes) text(s Style) string { return r.table(s.Wide).text(s) }

// Print returns a listing in a format. It ends in a newline.
func Print(l Listing, f Format, s Style) (string, error) {
	if f == JSON || f == YAML {
		return Document(l, f)
	}
	s.Wide = s.Wide || f == Wide
	return l.text(s), nil
}

// Document returns what JSON makes of v, as JSON or YAML. It ends in a newline.
func Document(v any, f Format) (string, error) {
	if f == YAML {
		return yamlOf(v)
	}
	text, err := json.MarshalIndent(v, "", "  ")
	return escaped(text, jsonEscape) + "\n", err
}

// PrintLine is Print for one of many that come one after the other: JSON is on one
// line, and YAML a document of its own.
func PrintLine(l Listing, f Format, s Style) (string, error) {
	switch f {
	case JSON:
		text, err := json.Marshal(l)
		return escaped(text, jsonEscape) + "\n", err
	case YAML:
		text, err := yamlOf(l)
		return "---\n" + text, err
	}
	return Print(l, f, s)
}

// yamlOf returns the JSON of v as YAML, which has the same keys in the same order.
func yamlOf(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	var doc yaml.Node // JSON is YAML
	if err := yaml.Unmarshal([]byte(escaped(text, yamlEscape)), &doc); err != nil {
		return "", err
	}
	plain(&doc)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&doc); err != nil {
		return "", err
	}
	return escaped(b.Bytes(), yamlEscape), e.Close()
}

// plain takes the braces and quotes of JSON away, but where escaped is to put
// something that only quotes may hold.
func plain(n *yaml.Node) {
	n.Style = 0
	if n.Kind == yaml.ScalarNode && view.Printable(n.Value) != n.Value {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, child := range n.Content {
		plain(child)
	}
}

// escaped is JSON or YAML without characters that a terminal could act on. They are in
// strings alone, and the encoders escape only some.
func escaped(text []byte, escape func(rune) string) string {
	var b strings.Builder
	for _, r := range string(text) {
		if r == '\n' || unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(escape(r))
		}
	}
	return b.String()
}

func jsonEscape(r rune) string {
	if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// yamlEscape knows no pairs.
func yamlEscape(r rune) string { return fmt.Sprintf(`\U%08x`, r) }
