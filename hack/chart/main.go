// Command chart makes what describes the Helm chart's values from values.yaml:
// values.schema.json, which refuses others, and the table in README.md.
//
// The comment above a value describes it. A line "@schema" in it says, in the
// words of JSON Schema, what the value may be where its default does not:
//
//	# Time between reports.
//	# @schema {$ref: duration}
//	reportInterval: 5m
//
// A $ref names one of definitions.yaml. A map whose default has entries has
// these and no others; one that is empty must have an @schema.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	chart := flag.String("chart", "charts/kube-smcroute", "`FOLDER` of the chart")
	out := flag.String("o", "", "`FOLDER` that values.schema.json and README.md are written to; default: the chart's")
	flag.Parse()
	if *out == "" {
		*out = *chart
	}
	if err := generate(*chart, *out); err != nil {
		fmt.Fprintln(os.Stderr, "hack/chart:", err)
		os.Exit(1)
	}
}

func generate(chart, out string) error {
	text, err := os.ReadFile(filepath.Join(chart, valuesFile))
	if err != nil {
		return err
	}
	values, err := read(text)
	if err != nil {
		return err
	}
	readme, err := os.ReadFile(filepath.Join(chart, "README.md"))
	if err != nil {
		return err
	}
	if readme, err = withTable(readme, values); err != nil {
		return err
	}
	schema, err := schemaOf(values)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "values.schema.json"), schema, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "README.md"), readme, 0o644)
}
