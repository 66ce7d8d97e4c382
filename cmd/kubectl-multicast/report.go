package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/agent/draw"
	"github.com/smcroute/kube-smcroute/agent/view"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/cmd/internal/sight"
)

// fromReports prints what objects tell. It notes why the agents were not asked.
func (l *looker) fromReports(ctx context.Context, c *cluster, why string) error {
	rows, flows, err := c.reported(ctx, &l.run.Filter, l.nodes)
	if err != nil {
		return err
	}
	notes := append([]string{why + ": this is what agents reported last, without rates"}, rows.Notes...)
	var listing draw.Listing
	switch l.verb {
	case sight.Flows:
		flows.Notes = notes
		if len(flows.Flows) == 0 {
			flows.Notes = append(notes, "agents report flows only with --report=Full")
		}
		listing = flows
	case sight.Tree:
		tree := draw.TreeOf(rows.Routes, flows.Flows)
		tree.Notes = notes
		listing = tree
	default:
		rows.Notes = notes
		listing = rows
	}
	text, err := draw.Print(listing, l.run.Format, l.run.Style)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(l.Out, text)
	return err
}

// reported returns a row for each route and node, and the flows in reports. Who
// may not see reports gets a row for each route.
func (c *cluster) reported(ctx context.Context, f *draw.Filter, nodes []string) (*draw.Routes, *draw.Flows, error) {
	var routes v1alpha1.MulticastRouteList
	if err := c.List(ctx, &routes, client.InNamespace(f.Namespace)); err != nil {
		return nil, nil, err
	}
	byName := map[[2]string]*v1alpha1.MulticastRoute{}
	rows, flows := &draw.Routes{Routes: []draw.Route{}}, &draw.Flows{Flows: []draw.Flow{}}
	for i := range routes.Items {
		r := &routes.Items[i]
		if (f.Name == "" || f.Name == r.Name) && picks(f, r) {
			byName[[2]string{r.Namespace, r.Name}] = r
		}
	}
	states, err := c.nodeStates(ctx, nodes)
	if apierrors.IsForbidden(err) {
		rows.Notes = append(rows.Notes, "you may not see the reports of nodes (multicastnodestates): NODE is how many have the route")
		for i := range routes.Items {
			if r := &routes.Items[i]; byName[[2]string{r.Namespace, r.Name}] != nil {
				rows.Routes = append(rows.Routes, summed(r))
			}
		}
		return rows, flows, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for i := range states {
		s := &states[i].Status
		if s.NextReportTime.Time.Before(time.Now()) {
			rows.Problems = append(rows.Problems, draw.Problem{Node: states[i].Name, Problem: "it has not reported since " + s.ReportTime.Format(time.RFC3339)})
		}
		for j := range s.Routes {
			o := &s.Routes[j]
			if r := byName[[2]string{o.Namespace, o.Name}]; r != nil {
				rows.Routes = append(rows.Routes, reportedRoute(states[i].Name, r, o))
				flows.Flows = append(flows.Flows, reportedFlows(states[i].Name, o)...)
			}
		}
	}
	flows.Problems = rows.Problems
	return rows, flows, nil
}

// nodeStates gets the reports of nodes, or of all.
func (c *cluster) nodeStates(ctx context.Context, nodes []string) ([]v1alpha1.MulticastNodeState, error) {
	if len(nodes) == 0 {
		var list v1alpha1.MulticastNodeStateList
		err := c.List(ctx, &list)
		return list.Items, err
	}
	var all []v1alpha1.MulticastNodeState
	for _, node := range nodes {
		var s v1alpha1.MulticastNodeState
		err := c.Get(ctx, client.ObjectKey{Name: node}, &s)
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, err
		}
		if err == nil {
			all = append(all, s)
		}
	}
	return all, nil
}

// picks reports whether a filter takes one of the groups and sources of a route.
func picks(f *draw.Filter, r *v1alpha1.MulticastRoute) bool {
	sources := []view.Net{{}}
	if len(r.Spec.Sources) > 0 {
		sources = nets(r.Spec.Sources)
	}
	return slices.ContainsFunc(nets(r.Spec.Groups), func(g view.Net) bool {
		return slices.ContainsFunc(sources, func(s view.Net) bool { return f.Takes(s, g) })
	})
}

func nets(addresses []v1alpha1.Address) []view.Net {
	all := make([]view.Net, len(addresses))
	for i, a := range addresses {
		_ = all[i].UnmarshalText([]byte(a)) // the API server has checked it
	}
	return all
}

func joined(addresses []v1alpha1.Address) string {
	texts := make([]string, len(addresses))
	for i, a := range addresses {
		texts[i] = string(a)
	}
	return strings.Join(texts, ",")
}

// row is what the object itself says.
func row(node string, r *v1alpha1.MulticastRoute) draw.Route {
	return draw.Route{
		Node: node, Route: r.Namespace + "/" + r.Name, Source: joined(r.Spec.Sources), Group: joined(r.Spec.Groups),
		IIF: r.Status.Summary.From, OIFs: []string{r.Status.Summary.To}, Traffic: view.Traffic{Age: -1, Idle: -1},
	}
}

func reportedRoute(node string, r *v1alpha1.MulticastRoute, o *v1alpha1.ObjectState) draw.Route {
	x := row(node, r)
	x.State = draw.Programmed
	if o.Reason != string(v1alpha1.ReasonProgrammed) {
		x.State, x.Cause, x.Reason = draw.Pending, o.Reason, o.Message
	}
	count(&x, o.Counters)
	return x
}

func count(x *draw.Route, c *v1alpha1.Counters) {
	if c != nil {
		x.Packets, x.Bytes, x.WrongIf, x.Flows = uint64(c.Packets), uint64(c.Bytes), uint64(c.WrongInterface), int(c.Flows)
	}
}

// summed is the row of a route on all nodes.
func summed(r *v1alpha1.MulticastRoute) draw.Route {
	x := row(r.Status.Summary.Programmed, r)
	x.State = draw.Programmed
	for _, c := range r.Status.Conditions {
		if c.Status != "True" {
			x.State, x.Cause, x.Reason = draw.Pending, c.Reason, c.Message
			break
		}
	}
	count(&x, r.Status.Counters)
	return x
}

func reportedFlows(node string, o *v1alpha1.ObjectState) []draw.Flow {
	var all []draw.Flow
	for _, f := range o.Flows {
		source := f.Source
		if source == "*" {
			source = ""
		}
		all = append(all, draw.Flow{
			Node: node, Source: source, Group: f.Group, IIF: f.From, OIFs: f.To, Kind: "reported", Routes: []string{o.Namespace + "/" + o.Name},
			Traffic: view.Traffic{Packets: uint64(f.Packets), Age: -1, Idle: -1},
		})
	}
	return all
}
