package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/metrics"
	"github.com/smcroute/kube-smcroute/agent/page"
	"github.com/smcroute/kube-smcroute/cmd/internal/install"
	"github.com/smcroute/kube-smcroute/cmd/internal/logging"
	"github.com/smcroute/kube-smcroute/cmd/internal/settings"
	"github.com/smcroute/kube-smcroute/controllers/report"
)

// options are those of smcroute-agent(8).
type options struct {
	node       string
	kubeconfig string

	hostNamespaces []string
	podNamespaces  bool // routers inside pods
	criEndpoint    string

	report         report.Mode
	reportInterval time.Duration
	reportCoalesce time.Duration

	manifests string
	statusDir string
	labels    map[string]string

	fileReports time.Duration // between looks at counters without Kubernetes; 0: its default

	table    uint32
	netns    string
	confFile string
	socket   string
	flush    time.Duration
	maxFlows int

	keeper        string // socket of smcroute-keeper; "": none
	removeForeign bool

	health      string
	metrics     string
	metricFlows int
	ui          string // "": none
	log         logging.Options
}

// parseOptions reads all that says what to do. The settings write the help text.
func parseOptions(args []string) (*options, *settings.Settings, settings.Asked, error) {
	o := &options{report: report.Full, log: logging.Options{Level: logging.LevelNotice}}
	s := settings.New("smcroute-agent", "routes IP multicast on a node, as MulticastRoutes and MulticastGroups ask for")

	k := s.Section("Kubernetes")
	k.StringVar(&o.node, "node-name", "", "`NAME` of this node's Node object; default: the host name")
	s.Env("node-name", "NODE_NAME")
	k.StringVar(&o.kubeconfig, "kubeconfig", "", "`FILE` that says where the API server is; default: that of the pod's service account")
	s.Env("kubeconfig", "KUBECONFIG")
	k.StringSliceVar(&o.hostNamespaces, "host-namespaces", []string{"kube-smcroute"}, "`NAMESPACES` whose objects may name the node's interfaces, or \"*\" for all")
	s.Env("host-namespaces", "POD_NAMESPACE")
	k.BoolVar(&o.podNamespaces, "pod-network-namespaces", false, "let objects route inside of pods (networkNamespace type Pod); needs CAP_SYS_ADMIN and the container runtime's socket")
	k.StringVar(&o.criEndpoint, "cri-endpoint", "", "`SOCKET` of the container runtime; default: that of containerd or CRI-O")
	k.Var(&o.report, "report", "what the node's MulticastNodeState says: `MODE` is Full, Summary (no counters, no flows) or Off (it is not written)")
	k.DurationVar(&o.reportInterval, "report-interval", 5*time.Minute, "`TIME` between reports of counters, if they changed")
	k.DurationVar(&o.reportCoalesce, "report-coalesce", 10*time.Second, "`TIME` for which changes of state are collected into one report")

	m := s.Section("Without Kubernetes")
	m.StringVar(&o.manifests, "manifests", "", "take the objects from YAML files in `DIR`, and no API server")
	m.StringVar(&o.statusDir, "status-dir", "", "write their status to `DIR`")
	m.StringToStringVar(&o.labels, "node-labels", nil, "`LABELS` of this node, for nodeSelectors, as in \"site=studio,rack=7\"")
	m.Lookup("node-labels").DefValue = "" // none, not "[]"

	r := s.Section("Routing")
	r.Var(settings.UpTo(&o.table, uapi.MaxTable4), "table", fmt.Sprintf("`ID` of the kernel's multicast routing table, 0 to %d", uapi.MaxTable4))
	r.StringVar(&o.netns, "netns", "", "`PATH` of the node's network namespace, if it is not this one")
	r.StringVar(&o.confFile, "conf-file", "", "smcroute.conf(5) `FILE` whose routes are there as well; read again when it changes, and on SIGHUP")
	r.StringVar(&o.socket, "socket", install.SocketPath("smcroute-agent"), "`FILE` on which smcroutectl(8) is served, as \"smcroutectl -i smcroute-agent\"; \"\": none")
	r.DurationVar(&o.flush, "flush-interval", time.Minute, "`TIME` after which learned flows that are idle are forgotten; 0s: never")
	r.IntVar(&o.maxFlows, "max-flows", agent.DefaultMaxFlows, "learn `N` flows at a time in each router, stop filters for others included; 0: any number")

	r.StringVar(&o.keeper, "keeper", "", "`FILE` of the socket of smcroute-keeper(8), which lets the next agent go on with what is in the kernel; \"\": none, all of it goes with the agent")
	r.BoolVar(&o.removeForeign, "remove-foreign", false, "remove what other programs have left in the tables")

	w := s.Section("Watching")
	w.StringVar(&o.health, "health-probe-bind-address", "127.0.0.1:8471", "`ADDRESS` of /healthz and /readyz, or unix:///PATH of a socket; \"0\": none")
	w.StringVar(&o.metrics, "metrics-bind-address", "0", "`ADDRESS` of /metrics; \"0\": none")
	w.StringVar(&o.ui, "ui", "", "`ADDRESS` of a web page of all streams, of this machine alone: 127.0.0.1:8473; \"\": none")
	w.IntVar(&o.metricFlows, "metrics-flows", 0, "metrics of `N` flows each, those of the node with the most packets")
	o.log.AddFlags(w)

	asked, err := s.Parse(args)
	if err == nil && asked == settings.Nothing {
		err = o.complete(s)
	}
	return o, s, asked, err
}

// complete fills in what depends on other things, and checks.
func (o *options) complete(s *settings.Settings) error {
	if o.node == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("--node-name is not given, and there is no host name: %w", err)
		}
		o.node = strings.ToLower(name) // as kubelets do
	}
	if o.manifests != "" && !s.Changed("host-namespaces") {
		o.hostNamespaces = []string{"*"} // who writes the files owns the node
	}
	if s.Changed("report-interval") {
		o.fileReports = o.reportInterval
	}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, settings.Errorf(format, args...)) }
	if why := validation.IsDNS1123Subdomain(o.node); len(why) > 0 {
		bad("--node-name: %q is not the name of a Node: %s", o.node, why[0])
	}
	for key, value := range o.labels {
		for _, why := range validation.IsQualifiedName(key) {
			bad("--node-labels: %q is not the key of a label: %s", key, why)
		}
		for _, why := range validation.IsValidLabelValue(value) {
			bad("--node-labels: %q is not the value of a label: %s", value, why)
		}
	}
	if path, unix := strings.CutPrefix(o.health, unixScheme); unix && !filepath.IsAbs(path) {
		bad("--health-probe-bind-address: %q has no path: expected %s/PATH", o.health, unixScheme)
	}
	if _, err := page.ParseAddr(o.ui); o.ui != "" && err != nil {
		bad("--ui: %v", err)
	}
	if o.keeper != "" && !filepath.IsAbs(o.keeper) {
		bad("--keeper: expected an absolute path, not %q", o.keeper)
	}
	if o.reportInterval <= 0 {
		bad("--report-interval: expected more than 0s, not %v", o.reportInterval)
	}
	if o.reportCoalesce < 0 || o.flush < 0 {
		bad("--report-coalesce and --flush-interval cannot be less than 0s")
	}
	if o.maxFlows != 0 && o.maxFlows < agent.MinMaxFlows {
		bad("--max-flows: expected 0, for no limit, or at least %d, not %d", agent.MinMaxFlows, o.maxFlows)
	}
	if o.metricFlows < 0 || o.metricFlows > metrics.MaxFlows {
		bad("--metrics-flows: expected 0, for none, to %d, not %d", metrics.MaxFlows, o.metricFlows)
	}
	if o.statusDir != "" && o.manifests == "" {
		bad("--status-dir is for --manifests: in a cluster the status is in the objects")
	}
	if len(o.labels) > 0 && o.manifests == "" {
		bad("--node-labels is for --manifests: in a cluster labels are in the Node")
	}
	if o.kubeconfig != "" && o.manifests != "" && s.Said("kubeconfig") {
		bad("--kubeconfig says where the API server is, which --manifests does without: expected one of them")
	}
	if o.podNamespaces && o.manifests != "" {
		bad("--pod-network-namespaces needs Kubernetes, which --manifests does without")
	}
	return errors.Join(errs...)
}

// columns is how wide the help text may be.
func columns() int {
	var n int
	_, _ = fmt.Sscan(os.Getenv("COLUMNS"), &n)
	return max(60, cmp.Or(n, 90))
}
