package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
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

// Times between managers, should one fail.
const minPause, maxPause = time.Second, time.Minute

// runKubernetes takes objects from the API server, and reports to it, until ctx
// is done. Without an API server it waits, and what is programmed stays.
func (s *service) runKubernetes(ctx context.Context, config *rest.Config) error {
	c := newConnection(s.log)
	config = rest.CopyConfig(config)
	config.UserAgent = "smcroute-agent/" + install.Version
	config.Wrap(c.observe)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.links.Run(ctx) })
	group.Go(func() error {
		for pause := minPause; ; pause = min(2*pause, maxPause) {
			err := s.manage(ctx, config, c)
			if ctx.Err() != nil {
				return nil
			}
			s.log.Error("The Kubernetes client ended, and is started again; what is programmed stays", "error", err)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return nil
			}
		}
	})
	return group.Wait()
}

// manage runs a manager.
func (s *service) manage(ctx context.Context, config *rest.Config, c *connection) error {
	cached := node.CacheOptions(s.node)
	cached.DefaultWatchErrorHandler = c.watchFailed
	mgr, err := manager.New(config, manager.Options{
		Scheme:         node.NewScheme(),
		MapperProvider: node.NewMapper,
		Cache:          cached,
		// The node's own state is read once, at the start.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&v1alpha1.MulticastNodeState{}}}},
		// Both are served by the agent itself, whatever becomes of managers.
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress:  "0",
		GracefulShutdownTimeout: ptr.To(5 * time.Second),
	})
	if err != nil {
		return err
	}
	err = node.Setup(mgr, node.ReconcilerOptions{
		Node:       s.node,
		Programmer: s.programmer,
		Links:      s.links,
		Programmed: s.changed,
		Logger:     s.log,
	})
	if err != nil {
		return err
	}
	err = mgr.Add(report.New(report.Options{
		Client:   mgr.GetClient(),
		Node:     s.node,
		NodeUID:  func(ctx context.Context) (types.UID, error) { return node.UID(ctx, mgr.GetCache(), s.node) },
		Mode:     s.report,
		Interval: s.reportInterval,
		Coalesce: s.reportCoalesce,
		Source:   s.programmer,
		Changed:  s.toReport,
		Loaded:   s.programmer.Load,
		Logger:   s.log,
	}))
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}
