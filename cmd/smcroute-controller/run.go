package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/smcroute/kube-smcroute/cmd/internal/install"
	"github.com/smcroute/kube-smcroute/cmd/internal/logging"
	"github.com/smcroute/kube-smcroute/cmd/internal/settings"
	"github.com/smcroute/kube-smcroute/controllers/summary"
)

// Exit codes as in sysexits.h.
const (
	exitOK       = 0
	exitUsage    = 64 // EX_USAGE: bad command line, configuration file or environment
	exitSoftware = 70 // EX_SOFTWARE: the work ended, as when the Lease was lost
	exitConfig   = 78 // EX_CONFIG: no way to Kubernetes is configured, or a wrong one
)

// leaseName is that of the Lease, which the controller's Role names.
const leaseName = "kube-smcroute-controller"

// run is the whole program: it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	o, s, asked, err := parseOptions(args)
	switch {
	case err != nil:
		complain(stderr, err)
		fmt.Fprintln(stderr, "smcroute-controller: see smcroute-controller --help")
		return exitUsage
	case asked == settings.Help:
		s.Usage(stdout, columns())
		return exitOK
	case asked == settings.Version:
		fmt.Fprintln(stdout, versionLine())
		return exitOK
	}
	log := logging.New(stderr, o.log)
	logging.Lead(log)
	slog.SetDefault(log)
	config, err := restConfig(o.kubeconfig)
	if err != nil {
		log.Error(err.Error())
		return exitConfig
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	log.Log(ctx, logging.LevelNotice, versionLine())
	if err := serve(ctx, o, config, log); err != nil {
		log.Error(err.Error())
		return exitSoftware
	}
	return exitOK
}

// complain prints an error that comes before there is a log.
func complain(stderr io.Writer, err error) {
	for _, line := range strings.Split(err.Error(), "\n") {
		fmt.Fprintln(stderr, "smcroute-controller: "+line)
	}
}

// versionLine is the text of --version, and the first line of the log.
func versionLine() string { return "smcroute-controller v" + install.Version }

// restConfig says where the API server is. It is not asked yet.
func restConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig != "" {
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("--kubeconfig: %w", err)
		}
		return config, nil
	}
	config, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		return nil, errors.New("there is no Kubernetes here: expected to run in a pod, or --kubeconfig FILE")
	}
	return config, err
}

// serve works until ctx is done.
func serve(ctx context.Context, o *options, config *rest.Config, log *slog.Logger) error {
	config = rest.CopyConfig(config)
	// The API server's priority and fairness hold us back if need be. The
	// library's own limit is 5 requests a second: the status of 1,000 routes would
	// take minutes after a node's state changed.
	config.QPS = -1
	config.UserAgent = "smcroute-controller/" + install.Version
	mgr, err := manager.New(config, manager.Options{
		Scheme:         summary.NewScheme(),
		MapperProvider: summary.NewMapper,
		Cache:          summary.CacheOptions(),

		LeaderElection:                o.elect,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       o.namespace,
		LeaderElectionReleaseOnCancel: true, // the program ends with the manager

		Metrics:                 metricsserver.Options{BindAddress: o.metrics},
		HealthProbeBindAddress:  o.health,
		GracefulShutdownTimeout: ptr.To(5 * time.Second),
	})
	if err != nil {
		return err
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	// One that waits for the Lease is ready to take over.
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	err = summary.Setup(mgr, summary.Options{
		StatusInterval:   o.statusInterval,
		CountersInterval: o.countersInterval,
		Events:           o.statusEvents,
		Metrics:          metrics.Registry,
		Logger:           log,
	})
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}
