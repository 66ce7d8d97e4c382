package main

import (
	"errors"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// ofRules returns the queries of a file of alerts. It is strict: Prometheus refuses
// unknown fields, and templates that cannot be read.
func ofRules(text []byte) ([]query, error) {
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}))
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	var all []query
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			all = append(all, query{where: rule.Alert + rule.Record, expr: rule.Expr})
		}
	}
	return all, nil
}
