package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// labelValues is the question that variables of a dashboard ask.
var labelValues = regexp.MustCompile(`^label_values\((.*), *(\w+)\)$`)

// legendLabel is a label in the name of a series.
var legendLabel = regexp.MustCompile(`{{\s*(\w+)\s*}}`)

// ofDashboard returns the queries of a dashboard. It is strict: fields that
// Grafana's schema does not have are errors, and so are panels that it does not
// have.
func ofDashboard(text []byte) ([]query, error) {
	runtime := cog.NewRuntime()
	runtime.RegisterPanelcfgVariant(timeseries.VariantConfig())
	runtime.RegisterPanelcfgVariant(stat.VariantConfig())
	runtime.RegisterDataqueryVariant(prometheus.VariantConfig())
	// The SDK's strict reading leaves out panels, and returns lists of errors that have
	// none: it is good for what is wrong alone.
	var d, strict dashboard.Dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	for _, err := range []error{strict.UnmarshalJSONStrict(text), d.Validate()} {
		if list := (cog.BuildErrors)(nil); err != nil && !(errors.As(err, &list) && len(list) == 0) {
			return nil, err
		}
	}
	var all []query
	var errs []error
	for _, v := range d.Templating.List {
		if v.Type != dashboard.VariableTypeQuery {
			continue
		}
		match := labelValues.FindStringSubmatch(*v.Definition)
		if match == nil {
			errs = append(errs, fmt.Errorf("variable %s: expected label_values(SERIES, LABEL), not %s", v.Name, *v.Definition))
			continue
		}
		all = append(all, query{where: "variable " + v.Name, expr: match[1], more: match[2:]})
	}
	for _, p := range d.Panels {
		if p.Panel == nil {
			continue // a row
		}
		where := "panel " + *p.Panel.Title
		if t := p.Panel.Type; t != "timeseries" && t != "stat" {
			errs = append(errs, fmt.Errorf("%s: is of type %s, whose options nobody here knows: expected timeseries or stat", where, t))
		}
		if len(p.Panel.Targets) == 0 {
			errs = append(errs, fmt.Errorf("%s: asks nothing", where))
		}
		for _, target := range p.Panel.Targets {
			q, ok := target.(*prometheus.Dataquery)
			if !ok {
				errs = append(errs, fmt.Errorf("%s: has a query of type %T: expected one to Prometheus", where, target))
				continue
			}
			query := query{where: where, expr: variables.Replace(q.Expr)}
			if q.LegendFormat != nil {
				for _, label := range legendLabel.FindAllStringSubmatch(*q.LegendFormat, -1) {
					query.more = append(query.more, label[1])
				}
			}
			all = append(all, query)
		}
	}
	return all, errors.Join(errs...)
}
