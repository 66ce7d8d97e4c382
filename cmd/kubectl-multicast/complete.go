package main

import (
	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/agent/draw"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// completeRoutes completes the names of routes.
func (s *settings) completeRoutes(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	namespace, _, err := s.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return s.names(c, "MulticastRoute", client.InNamespace(namespace))
}

// completeNodes completes the names of nodes that have reported.
func (s *settings) completeNodes(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return s.names(c, "MulticastNodeState")
}

// completeFormat completes -o.
func completeFormat(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{string(draw.JSON), string(draw.YAML), string(draw.Wide)}, cobra.ShellCompDirectiveNoFileComp
}

// names returns the names of objects, without getting all of the objects.
func (s *settings) names(c *cobra.Command, kind string, options ...client.ListOption) ([]string, cobra.ShellCompDirective) {
	cluster, err := s.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var list metav1.PartialObjectMetadataList
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind + "List"))
	if err := cluster.List(c.Context(), &list, options...); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
