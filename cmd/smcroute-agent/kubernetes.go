package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/smcroute/kube-smcroute/cmd/internal/install"
	"github.com/smcroute/kube-smcroute/controllers/node"
	"github.com/smcroute/kube-smcroute/controllers/report"
)

// restConfig says where the API server is. It is not asked yet.
func restConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig != "" {
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			return nil, &configError{fmt.Errorf("--kubeconfig: %w", err)}
		}
		return config, nil
	}
	config, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		err = errors.New("there is no Kubernetes here: expected to run in a pod, or --kubeconfig FILE, or --manifests DIR")
	}
	if err != nil {
		return nil, &configError{err}
	}
	return config, nil
}

// cluster is where objects come from with Kubernetes.
type cluster struct {
	*service
	config *rest.Config
	conn   *connection
}

func (s *service) newCluster(config *rest.Config) *cluster {
	c := &cluster{s, rest.CopyConfig(config), newConnection(s.log)}
	c.config.UserAgent = "smcroute-agent/" + install.Version
	c.config.Wrap(c.conn.observe)
	return c
}

// run takes objects from the API server, and reports to it, until ctx is done.
// Without an API server it waits, and what is programmed stays. Caches are filled
// from the start, so that an agent that stands by knows what to do when its turn
// comes; all else begins only then.
func (c *cluster) run(ctx context.Context) error {
	client, err := node.NewClient(c.config)
	if err != nil {
		return &configError{err}
	}
	reconciler, err := node.NewReconciler(client, node.ReconcilerOptions{
		Node:       c.node,
		Programmer: c.programmer,
		Links:      c.links,
		Begin:      c.loaded,
		Filled:     c.know,
		Programmed: c.changed,
		Fails:      c.conn.watchFailed,
		Logger:     c.log,
	})
	if err != nil {
		return err
	}
	reports := report.New(report.Options{
		Client:   client.States,
		Node:     c.node,
		NodeUID:  reconciler.UID,
		Mode:     c.report,
		Interval: c.reportInterval,
		Coalesce: c.reportCoalesce,
		Source:   c.programmer,
		Changed:  c.toReport,
		Crowd:    reconciler.Crowd,
		Loaded:   c.programmer.Load,
		Logger:   c.log,
	})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.links.Run(ctx) })
	group.Go(func() error { reconciler.Run(ctx); return nil })
	group.Go(func() error {
		// The report of an agent before this one is its last by now, and there is a
		// connection.
		for _, before := range []<-chan struct{}{c.loaded, c.knows} {
			select {
			case <-before:
			case <-ctx.Done():
				return nil
			}
		}
		return reports.Start(ctx)
	})
	return group.Wait()
}
