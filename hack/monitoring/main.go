// Command monitoring reads alerts (.yaml) and dashboards (.json) as Prometheus and
// Grafana do, and lists the metrics that their queries are about, with the labels
// that they count on, as JSON:
//
//	monitoring FILE...
//
// What Prometheus or Grafana would refuse is an error. It is a module of its own,
// as Prometheus is much; the module's other program is promtool:
//
//	go tool -modfile=hack/monitoring/go.mod promtool test rules test/alerts/*.yaml
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Use is a metric in a query.
type Use struct {
	Where  string   // file, and the name of the alert, panel or variable
	Metric string   // its name
	Labels []string // by which the query selects, groups or compares it
}

func main() {
	var all []Use
	var errs []error
	for _, file := range os.Args[1:] {
		uses, err := read(file)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file, err))
		}
		all = append(all, uses...)
	}
	if err := errors.Join(append(errs, json.NewEncoder(os.Stdout).Encode(all))...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(file string) ([]Use, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var queries []query
	switch filepath.Ext(file) {
	case ".yaml":
		queries, err = ofRules(text)
	case ".json":
		queries, err = ofDashboard(text)
	default:
		err = errors.New("expected a name that ends with .yaml, of alerts, or .json, of a dashboard")
	}
	if err != nil {
		return nil, err
	}
	var all []Use
	var errs []error
	for _, q := range queries {
		uses, err := q.uses()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", q.where, err))
		}
		for _, u := range uses {
			u.Where = file + ": " + q.where
			all = append(all, u)
		}
	}
	return all, errors.Join(errs...)
}
