package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/smcroute/kube-smcroute/agent/doctor"
)

// routeReport is what was found of a route: in objects, and on nodes.
type routeReport struct {
	Route    string           `json:"route"` // namespace/name
	Findings []doctor.Finding `json:"findings"`
	Nodes    []nodeReport     `json:"nodes"`
	Unseen   []doctor.Unseen  `json:"unseen,omitempty"`
}

// nodeReport is what was found on a node.
type nodeReport struct {
	Node    string         `json:"node"`
	Problem string         `json:"problem,omitempty"` // why there is no report
	Report  *doctor.Report `json:"report,omitempty"`
}

func (r *routeReport) unseen(what string, err error) {
	r.Unseen = append(r.Unseen, doctor.Unseen{What: what, Why: err.Error()})
}

func (r *routeReport) broken() bool {
	for _, n := range r.Nodes {
		if n.Report != nil && n.Report.Broken() {
			return true
		}
	}
	return (&doctor.Report{Findings: r.Findings}).Broken()
}

// blind reports whether nothing is known of any node.
func (r *routeReport) blind() bool {
	return !slices.ContainsFunc(r.Nodes, func(n nodeReport) bool { return n.Report != nil })
}

func (r *routeReport) print(out io.Writer, format string) error {
	switch format {
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	case "yaml":
		text, err := yaml.Marshal(r)
		if err == nil {
			_, err = out.Write(text)
		}
		return err
	}
	wide := format == "wide"
	text := "Route " + r.Route + "\n"
	object := doctor.Report{Findings: r.Findings, Unseen: r.Unseen, Blind: true} // of nodes it says nothing
	if len(r.Findings)+len(r.Unseen) > 0 {
		text += object.Text(wide)
	}
	for _, n := range r.Nodes {
		text += "\nNode " + n.Node + "\n"
		if n.Report != nil {
			text += n.Report.Text(wide)
		} else {
			text += (&doctor.Report{Blind: true, Unseen: []doctor.Unseen{{What: "node", Why: n.Problem}}}).Text(wide)
		}
	}
	_, err := fmt.Fprint(out, text)
	return err
}
