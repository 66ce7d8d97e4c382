// Kubectl-multicast is a plug-in of kubectl: "kubectl multicast" shows how routes
// fare on the nodes of a cluster. See docs/kubectl-multicast.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/smcroute/kube-smcroute/cmd/internal/install"
	"github.com/smcroute/kube-smcroute/cmd/internal/sight"
)

func main() {
	ctrllog.SetLogger(logr.Discard())
	utilruntime.ErrorHandlers = nil // of connections that are given up, in the middle of what is printed
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	if err := newRoot(streams).ExecuteContext(ctx); err != nil {
		os.Exit(1)
	}
}

// settings are what all verbs know.
type settings struct {
	*genericclioptions.ConfigFlags
	genericiooptions.IOStreams

	agentNamespace string
}

// newRoot returns the program. Each verb has a file of its own, but for those of
// package sight.
func newRoot(streams genericiooptions.IOStreams) *cobra.Command {
	s := &settings{ConfigFlags: genericclioptions.NewConfigFlags(true), IOStreams: streams}
	root := &cobra.Command{
		Use:   "kubectl-multicast",
		Short: "See multicast routes at work on the nodes of a cluster",
		Long: `See multicast routes at work on the nodes of a cluster.

The agents on the nodes are asked, through "pods/exec". Who may not do that sees
what they reported last.`,
		Version:       install.Version,
		SilenceUsage:  true,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl multicast"},
		SilenceErrors: false,
	}
	root.SetErr(streams.ErrOut)
	root.SetOut(streams.Out)
	s.AddFlags(root.PersistentFlags())
	root.AddCommand(newDoctor(s))
	root.PersistentFlags().StringVar(&s.agentNamespace, "agent-namespace", "kube-smcroute", "Namespace of the agents")
	for _, v := range sight.Verbs {
		root.AddCommand(newSight(s, v))
	}
	return root
}
