package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/util/exec"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/agent/doctor"
	"github.com/smcroute/kube-smcroute/agent/view"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// errBroken makes the program end with 1; what is broken has been printed.
var errBroken = errors.New("something is broken")

// errBlind makes it end with 1, too.
var errBlind = errors.New("no node could be looked at")

// examiner is the verb doctor.
type examiner struct {
	*settings
	nodes  []string
	format string
	during time.Duration
	// timeout is how long an agent may take to answer, beside during.
	timeout time.Duration
}

func newDoctor(s *settings) *cobra.Command {
	e := &examiner{settings: s}
	c := &cobra.Command{
		Use:   "doctor ROUTE",
		Short: "Find out why the stream of a route does not arrive",
		Long: `Find out why the stream of a route does not arrive: look at the object, the nodes
and pods that it selects, and have "smcroutectl doctor" look at each node. Nothing
is changed. See docs/doctor.md.`,
		Example:           "  kubectl multicast doctor camera-1 -n studio --node n1",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeRoutes,
		RunE:              func(c *cobra.Command, args []string) error { return e.examine(c.Context(), args[0]) },
	}
	fs := c.Flags()
	fs.StringSliceVar(&e.nodes, "node", nil, "Look at these nodes alone")
	fs.StringVarP(&e.format, "output", "o", "", "Print as `FORMAT`: json, yaml or wide")
	fs.DurationVar(&e.during, "for", doctor.DefaultFor, "How long each node observes packets")
	fs.DurationVar(&e.timeout, "timeout", 30*time.Second, "How long an agent may take to answer, beside --for")
	_ = c.RegisterFlagCompletionFunc("output", completeFormat)
	_ = c.RegisterFlagCompletionFunc("node", s.completeNodes)
	return c
}

func (e *examiner) examine(ctx context.Context, name string) error {
	switch e.format {
	case "", "json", "yaml", "wide":
	default:
		return fmt.Errorf("output format %q, expected json, yaml or wide", e.format)
	}
	namespace, _, err := e.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return err
	}
	c, err := e.connect()
	if err != nil {
		return err
	}
	report, err := c.diagnose(ctx, client.ObjectKey{Namespace: namespace, Name: name}, e, c.exec)
	if err != nil {
		return err
	}
	if err := report.print(e.Out, e.format); err != nil {
		return err
	}
	switch {
	case report.broken():
		return errBroken
	case report.blind():
		return errBlind
	}
	return nil
}

// execFunc runs a program in an agent's pod: see [cluster.exec].
type execFunc func(ctx context.Context, a agentPod, command []string) ([]byte, error)

// diagnose looks at a route and its nodes.
func (c *cluster) diagnose(ctx context.Context, key client.ObjectKey, e *examiner, run execFunc) (*routeReport, error) {
	var route v1alpha1.MulticastRoute
	if err := c.Get(ctx, key, &route); err != nil {
		return nil, err
	}
	report := &routeReport{Route: key.String(), Findings: conditionFindings(&route)}
	nodes, err := c.selectedNodes(ctx, &route, e.nodes)
	if err != nil {
		report.unseen("nodes", err)
	} else if len(nodes) == 0 {
		report.Findings = append(report.Findings, noNode(&route))
		return report, nil
	}
	if err := c.examinePods(ctx, &route, report); err != nil {
		report.unseen("pods", err)
	}
	agents, err := c.agents(ctx, nodes)
	if err != nil {
		report.unseen("agents", err)
		return report, nil
	}
	if len(agents) > mostAgents && len(e.nodes) == 0 {
		report.unseen("some nodes", fmt.Errorf("%d of %d: name them with --node", len(agents)-mostAgents, len(agents)))
		agents = agents[:mostAgents]
	}
	report.Nodes = make([]nodeReport, len(agents))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, a := range agents {
		group.Go(func() error {
			report.Nodes[i] = e.node(ctx, a, &route, run)
			return nil
		})
	}
	_ = group.Wait()
	return report, ctx.Err()
}

// node has smcroutectl look at one node.
func (e *examiner) node(ctx context.Context, a agentPod, route *v1alpha1.MulticastRoute, run execFunc) nodeReport {
	n := nodeReport{Node: a.node, Problem: a.problem}
	if a.problem != "" {
		return n
	}
	groups := nets(route.Spec.Groups)
	command := []string{"/smcroutectl", "-i", "smcroute-agent", "doctor", "-o", "json", "--for", e.during.String()}
	if len(groups) == 1 && groups[0].IsSingleIP() {
		command = append(command, groups[0].String())
		if s := nets(route.Spec.Sources); len(s) == 1 && s[0].IsSingleIP() {
			command = append(command, s[0].String())
		}
	}
	within := e.during + e.timeout
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	text, err := run(ctx, a, command)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		n.Problem = fmt.Sprintf("the agent %s has not answered for %v", a.name, within)
		return n
	}
	var ended exec.CodeExitError
	if err != nil && !errors.As(err, &ended) {
		n.Problem = fmt.Sprintf("the agent %s: %v", a.name, err)
		return n
	}
	n.Report = &doctor.Report{}
	if err := json.Unmarshal(text, n.Report); err != nil {
		n.Report, n.Problem = nil, fmt.Sprintf("the agent %s: what it says is no report: %v", a.name, err)
		return n
	}
	// Where all rules were looked at, those of other routes are of no interest.
	kept := n.Report.Findings[:0]
	for _, f := range n.Report.Findings {
		if f.ID == noRule && aboutPods(route) {
			// Whether there should be one is the status' to say: see conditionFindings.
			f.Severity, f.Fix = doctor.Note, []string{"kubectl get pods -o wide -n " + route.Namespace}
			f.Text = "The node has no rule of the route, which is as it should be if no pod that it selects runs there"
		}
		if f.Group.IsZero() || len(groups) == 0 || overlaps(groups, f.Group) {
			kept = append(kept, f)
		}
	}
	n.Report.Findings = kept
	return n
}

func overlaps(groups []view.Net, g view.Net) bool {
	for _, one := range groups {
		if one.Overlaps(g.Prefix) {
			return true
		}
	}
	return false
}
