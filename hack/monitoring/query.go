package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// query is one in the language of Prometheus.
type query struct {
	where string // the name of what it is for
	expr  string
	more  []string // labels that what it is for counts on
}

// uses returns the metrics of the query.
func (q query) uses() ([]Use, error) {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(q.expr)
	if err != nil {
		return nil, err
	}
	var all []Use
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		v, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		u := Use{Metric: v.Name, Labels: slices.Clone(q.more)}
		for _, m := range v.LabelMatchers {
			if m.Name != labels.MetricName {
				u.Labels = append(u.Labels, m.Name)
			}
		}
		for _, above := range path {
			switch above := above.(type) {
			case *parser.AggregateExpr:
				u.Labels = append(u.Labels, above.Grouping...)
			case *parser.BinaryExpr:
				if m := above.VectorMatching; m != nil {
					u.Labels = append(u.Labels, m.MatchingLabels...)
				}
			}
		}
		slices.Sort(u.Labels)
		u.Labels = slices.Compact(u.Labels)
		if u.Metric == "" {
			err = errors.New("selects series without a name: expected a metric")
		}
		all = append(all, u)
		return nil
	})
	return all, err
}

// variables are what Grafana puts in place of its own.
var variables = strings.NewReplacer("$__rate_interval", "1m")
