package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/smcroute/kube-smcroute/agent/draw"
	"github.com/smcroute/kube-smcroute/cmd/internal/sight"
)

// mostAgents is how many agents are asked unless nodes are named: each look at one
// is a connection through the API server and a kubelet.
const mostAgents = 100

// looker is a verb that looks at the routers of nodes.
type looker struct {
	*settings
	verb    sight.Verb
	run     sight.Run
	all     bool
	nodes   []string
	reports bool
	timeout time.Duration
}

func newSight(s *settings, v sight.Verb) *cobra.Command {
	l := &looker{settings: s, verb: v}
	c := &cobra.Command{
		Use:   string(v) + " [ROUTE | [SOURCE[/LEN]] GROUP[/LEN]]",
		Short: v.About(),
		Example: fmt.Sprintf(`  kubectl multicast %[1]s -n studio               # of the routes of a namespace
  kubectl multicast %[1]s camera-1 --node n1,n2   # of one route, on two nodes
  kubectl multicast %[1]s -A 232.1.0.0/16 -o wide # of a range of groups`, v),
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: s.completeRoutes,
		RunE:              func(c *cobra.Command, args []string) error { return l.look(c.Context(), args) },
	}
	fs := c.Flags()
	l.run.Flags(fs, v, true)
	fs.BoolVarP(&l.all, "all-namespaces", "A", false, "Routes of all namespaces, and flows that no route takes")
	fs.StringSliceVar(&l.nodes, "node", nil, "Ask the agents of these nodes alone")
	if !v.Repeats() {
		fs.BoolVar(&l.reports, "reports", false, "Show what agents reported last, and ask none")
	}
	fs.DurationVar(&l.timeout, "timeout", 10*time.Second, "How long an agent may take to answer")
	_ = c.RegisterFlagCompletionFunc("node", s.completeNodes)
	_ = c.RegisterFlagCompletionFunc("output", completeFormat)
	return c
}

func (l *looker) look(ctx context.Context, args []string) error {
	err := l.run.Check()
	if err == nil {
		l.run.Filter, err = parseArguments(args)
	}
	if err != nil {
		return err
	}
	if !l.all {
		if l.run.Filter.Namespace, _, err = l.ToRawKubeConfigLoader().Namespace(); err != nil {
			return err
		}
	}
	c, err := l.connect()
	if err != nil {
		return err
	}
	if l.run.Filter.Name != "" && !l.all {
		if err := c.tellRoute(ctx, l.run.Filter.Namespace, l.run.Filter.Name, l.ErrOut); err != nil {
			return err
		}
	}
	l.run.Stdin, l.run.Stdout, l.run.Style = l.In, l.Out, sight.Style()

	why := "asked for with --reports"
	if !l.reports {
		agents, reason, err := l.agents(ctx, c)
		if err != nil {
			return err
		}
		if reason == "" {
			return l.live(ctx, c, agents)
		}
		why = reason
	}
	if l.verb.Repeats() {
		return errors.New(why + ": " + string(l.verb) + " needs the agents themselves")
	}
	return l.fromReports(ctx, c, why)
}

// parseArguments reads the name of a route, a group, or a source and a group.
func parseArguments(args []string) (draw.Filter, error) {
	if len(args) == 1 && !strings.ContainsAny(args[0], ":/") {
		if _, err := netip.ParseAddr(args[0]); err != nil {
			return draw.Filter{Name: args[0]}, nil
		}
	}
	return draw.ParseFilter(args)
}

// agents finds those to ask, or says why none is asked.
func (l *looker) agents(ctx context.Context, c *cluster) (agents []agentPod, reason string, err error) {
	allowed, err := c.mayExec(ctx)
	if err != nil {
		return nil, "", err
	}
	if !allowed {
		return nil, "you may not exec in pods of namespace " + c.agentNamespace, nil
	}
	agents, err = c.agents(ctx, l.nodes)
	switch {
	case err != nil:
		return nil, "", err
	case len(agents) == 0:
		return nil, "", fmt.Errorf("there is no agent in namespace %s: name it with --agent-namespace", c.agentNamespace)
	case len(agents) > mostAgents && len(l.nodes) == 0:
		return nil, fmt.Sprintf("there are %d agents, more than %d: name nodes with --node", len(agents), mostAgents), nil
	}
	return agents, "", nil
}

// live asks agents.
func (l *looker) live(ctx context.Context, c *cluster, agents []agentPod) error {
	l.run.Look = func(ctx context.Context) ([]draw.Router, error) {
		routers := c.ask(ctx, agents, &l.run.Filter, l.timeout)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return routers, nil
	}
	return l.run.Do(ctx, l.verb)
}
