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
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.links.Run(ctx) })
	group.Go(func() error {
		for pause := minPause; ; pause = min(2*pause, maxPause) {
			err := c.manage(ctx)
			if ctx.Err() != nil {
				return nil
			}
			c.log.Error("The Kubernetes client ended, and is started again; what is programmed stays", "error", err)
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
func (c *cluster) manage(ctx context.Context) error {
	cached := node.CacheOptions(c.node)
	cached.DefaultWatchErrorHandler = c.conn.watchFailed
	mgr, err := manager.New(c.config, manager.Options{
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
		Node:       c.node,
		Programmer: c.programmer,
		Links:      c.links,
		Begin:      c.loaded,
		Filled:     c.know,
		Programmed: c.changed,
		Logger:     c.log,
	})
	if err != nil {
		return err
	}
	reports := report.New(report.Options{
		Client:   mgr.GetClient(),
		Node:     c.node,
		NodeUID:  func(ctx context.Context) (types.UID, error) { return node.UID(ctx, mgr.GetCache(), c.node) },
		Mode:     c.report,
		Interval: c.reportInterval,
		Coalesce: c.reportCoalesce,
		Source:   c.programmer,
		Changed:  c.toReport,
		Loaded:   c.programmer.Load,
		Logger:   c.log,
	})
	err = mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		select {
		case <-c.loaded: // the report of an agent before this one is its last by now
			return reports.Start(ctx)
		case <-ctx.Done():
			return nil
		}
	}))
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}
