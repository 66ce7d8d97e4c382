package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/smcroute/kube-smcroute/cmd/internal/logging"
	"github.com/smcroute/kube-smcroute/cmd/internal/settings"
)

// namespaceFile has the namespace of the pod that we run in, if we do.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// options are those of smcroute-controller(8).
type options struct {
	kubeconfig string

	elect     bool
	namespace string // of the Lease

	statusInterval, countersInterval time.Duration
	statusEvents                     int

	health  string
	metrics string
	log     logging.Options
}

// parseOptions reads all that says what to do. The settings write the help text.
func parseOptions(args []string) (*options, *settings.Settings, settings.Asked, error) {
	o := &options{log: logging.Options{Level: logging.LevelNotice}}
	s := settings.New("smcroute-controller", "sums up what the nodes report into the status of MulticastRoutes and MulticastGroups")

	k := s.Section("Kubernetes")
	k.StringVar(&o.kubeconfig, "kubeconfig", "", "`FILE` that says where the API server is; default: that of the pod's service account")
	s.Env("kubeconfig", "KUBECONFIG")
	k.BoolVar(&o.elect, "leader-elect", true, "work only while holding a Lease, so that several may run")
	k.StringVar(&o.namespace, "leader-election-namespace", "", "`NAMESPACE` of the Lease; default: that of the pod")
	s.Env("leader-election-namespace", "POD_NAMESPACE")

	w := s.Section("Status")
	w.DurationVar(&o.statusInterval, "status-interval", 10*time.Second, "least `TIME` between two writes of one status")
	w.DurationVar(&o.countersInterval, "counters-interval", 5*time.Minute, "least `TIME` between two writes of one status if only counters changed; each wakes all agents")

	w.IntVar(&o.statusEvents, "status-events", 10_000, "the most watch events a second, `N`, that writes of statuses may cause, each one for every agent")

	v := s.Section("Watching")
	v.StringVar(&o.health, "health-probe-bind-address", ":8081", "`ADDRESS` of /healthz and /readyz; \"0\": none")
	v.StringVar(&o.metrics, "metrics-bind-address", ":8080", "`ADDRESS` of /metrics; \"0\": none")
	o.log.AddFlags(v)

	asked, err := s.Parse(args)
	if err == nil && asked == settings.Nothing {
		err = o.complete()
	}
	return o, s, asked, err
}

// complete fills in what depends on other things, and checks.
func (o *options) complete() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, settings.Errorf(format, args...)) }
	if o.elect && o.namespace == "" {
		text, err := os.ReadFile(namespaceFile)
		if err != nil {
			bad("--leader-election-namespace is not given, and this is no pod: expected a namespace for the Lease, or --leader-elect=false")
		}
		o.namespace = strings.TrimSpace(string(text))
	}
	if o.namespace != "" {
		for _, why := range validation.IsDNS1123Label(o.namespace) {
			bad("--leader-election-namespace: %q is not the name of a namespace: %s", o.namespace, why)
		}
	}
	if o.statusInterval <= 0 {
		bad("--status-interval: expected more than 0s, not %v", o.statusInterval)
	}
	if o.statusEvents <= 0 {
		bad("--status-events: expected more than 0, not %d", o.statusEvents)
	}
	if o.countersInterval < o.statusInterval {
		bad("--counters-interval: expected no less than the --status-interval of %v, not %v", o.statusInterval, o.countersInterval)
	}
	return errors.Join(errs...)
}

// columns is how wide the help text may be.
func columns() int {
	var n int
	_, _ = fmt.Sscan(os.Getenv("COLUMNS"), &n)
	return max(60, cmp.Or(n, 90))
}
