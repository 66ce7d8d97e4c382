package charts_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/smcroute/kube-smcroute/config/crd"
)

// The namespace is the release's, and the names are the same in each.
func TestAnotherNamespace(t *testing.T) {
	before := documents(t, mustInstall(t, "").Manifest)
	r := mustInstall(t, "", "--namespace", "elsewhere")
	after := documents(t, r.Manifest)
	name := func(d document) string { return d.name }
	if !slices.EqualFunc(before, after, func(a, b document) bool { return name(a) == name(b) }) {
		t.Error("objects have other names there")
	}
	subjects := 0
	for name, obj := range typed(t, r.Manifest) {
		inNamespace := slices.ContainsFunc([]string{"ServiceAccount ", "Role ", "RoleBinding ", "DaemonSet ", "Deployment ", "PodDisruptionBudget "},
			func(kind string) bool { return strings.HasPrefix(name, kind) })
		if got := namespaceOf(obj); inNamespace != (got == "elsewhere") || !inNamespace && got != "" {
			t.Errorf("%s is in the namespace %q", name, got)
		}
		var bound []rbacv1.Subject
		switch b := obj.(type) {
		case *rbacv1.ClusterRoleBinding:
			bound = b.Subjects
		case *rbacv1.RoleBinding:
			bound = b.Subjects
		}
		for _, s := range bound {
			subjects++
			if s.Namespace != "elsewhere" {
				t.Errorf("%s binds to %s of the namespace %s", name, s.Name, s.Namespace)
			}
		}
	}
	if subjects != 3 {
		t.Errorf("%d service accounts are bound to roles, want 3", subjects)
	}
}

func namespaceOf(obj runtime.Object) string {
	return obj.(interface{ GetNamespace() string }).GetNamespace()
}

// Names that YAML takes for numbers, or for nothing, are names all the same.
func TestNamesLikeNumbers(t *testing.T) {
	for _, name := range []string{"123", "1e3", "0x1f", "null", "true"} {
		values := "agent: {existingConfigMap: '" + name + "', priorityClassName: '" + name + "', logFormat: json}\ncontroller: {priorityClassName: '" + name + "'}\nnetworkPolicy: {enabled: true}\n"
		file := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(file, []byte(values), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := helm(t, "template", name, chart, "--namespace", name, "-f", file)
		if err != nil {
			t.Fatal(err)
		}
		for _, ds := range []string{"DaemonSet kube-smcroute-agent", "DaemonSet kube-smcroute-keeper"} {
			pod := object[*appsv1.DaemonSet](t, typed(t, out), ds).Spec.Template.Spec
			if got := pod.PriorityClassName; got != name {
				t.Errorf("%s: the priority class is %q, want %q", ds, got, name)
			}
		}
	}
}

// Labels and annotations of the pods' own are there once, whatever is added.
func TestOwnLabelsStay(t *testing.T) {
	const more = `{
  nodeSelector: {kubernetes.io/os: linux, site: studio},
  podLabels: {app.kubernetes.io/name: studio, team: media},
  podAnnotations: {kubectl.kubernetes.io/default-container: other, team: media}}`
	const keeper = `{
  podLabels: {app.kubernetes.io/name: studio, team: media},
  podAnnotations: {kubectl.kubernetes.io/default-container: other, team: media}}`
	all := typed(t, mustInstall(t, "agent: "+more+"\ncontroller: "+more+"\nkeeper: "+keeper).Manifest)
	for component, pod := range map[string]corev1.PodTemplateSpec{
		"keeper":     object[*appsv1.DaemonSet](t, all, "DaemonSet kube-smcroute-keeper").Spec.Template,
		"agent":      object[*appsv1.DaemonSet](t, all, "DaemonSet kube-smcroute-agent").Spec.Template,
		"controller": object[*appsv1.Deployment](t, all, "Deployment kube-smcroute-controller").Spec.Template,
	} {
		for what, maps := range map[string][2]map[string]string{
			"node selector": {pod.Spec.NodeSelector, {"kubernetes.io/os": "linux", "site": "studio"}},
			"labels":        {pod.Labels, {"app.kubernetes.io/name": "kube-smcroute", "app.kubernetes.io/component": component, "team": "media"}},
			"annotations":   {pod.Annotations, {"kubectl.kubernetes.io/default-container": component, "team": "media"}},
		} {
			if diff := cmp.Diff(maps[1], maps[0]); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", component, what, diff)
			}
		}
	}
}

// What has no default, and what is Kubernetes' own, can be taken away.
func TestNull(t *testing.T) {
	r := mustInstall(t, `
image: {tag: null, digest: null}
imagePullSecrets: null
agent:
  hostNamespaces: null
  conf: null
  existingConfigMap: null
  resources: null
  tolerations: null
  nodeSelector: null
  affinity: null
  updateStrategy: null
  podAnnotations: null
  podLabels: null
  serviceAccount: {annotations: null}
  metrics: {address: null, enabled: true}
keeper: {resources: null, podAnnotations: null, podLabels: null}
controller: {priorityClassName: null, nodeSelector: null, podAnnotations: null, podLabels: null}
networkPolicy: {enabled: true, apiServerCIDRs: null, metricsFrom: null}
`)
	spec := object[*appsv1.DaemonSet](t, typed(t, r.Manifest), "DaemonSet kube-smcroute-agent").Spec
	pod := spec.Template.Spec
	if len(pod.Volumes) != 2 || slices.ContainsFunc(pod.Containers[0].Args, func(a string) bool { return strings.HasPrefix(a, "--conf-file") }) {
		t.Errorf("a configuration file that is not there: %v, %v", pod.Volumes, pod.Containers[0].Args)
	}
	if !slices.Contains(pod.Containers[0].Args, "--metrics-bind-address=:8472") {
		t.Errorf("metrics: %v", pod.Containers[0].Args)
	}
	if len(pod.Tolerations) > 0 || spec.UpdateStrategy.Type != "" {
		t.Errorf("%v, %v", pod.Tolerations, spec.UpdateStrategy)
	}
}

// The keeper is where the agent is, and they meet.
func TestKeeperIsWhereTheAgentIs(t *testing.T) {
	all := typed(t, mustInstall(t, `
imagePullSecrets: [{name: registry}]
agent:
  priorityClassName: media
  nodeSelector: {site: studio}
  tolerations: [{key: media, operator: Exists}]
  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
`).Manifest)
	agent := object[*appsv1.DaemonSet](t, all, "DaemonSet kube-smcroute-agent").Spec.Template.Spec
	keeper := object[*appsv1.DaemonSet](t, all, "DaemonSet kube-smcroute-keeper").Spec.Template.Spec
	type where struct {
		PriorityClass string
		NodeSelector  map[string]string
		Tolerations   []corev1.Toleration
		Affinity      *corev1.Affinity
		Secrets       []corev1.LocalObjectReference
	}
	of := func(p corev1.PodSpec) where {
		return where{p.PriorityClassName, p.NodeSelector, p.Tolerations, p.Affinity, p.ImagePullSecrets}
	}
	if diff := cmp.Diff(of(agent), of(keeper)); diff != "" {
		t.Errorf("(-agent +keeper):\n%s", diff)
	}
}

// API servers before 1.31 do not know the functions of the definitions' rules.
func TestOldKubernetes(t *testing.T) {
	_, err := helm(t, "template", chart, "--kube-version", "1.30.9")
	if err == nil || !strings.Contains(err.Error(), "requires kubeVersion: >=1.31.0-0 which is incompatible with Kubernetes v1.30.9") {
		t.Errorf("%v", err)
	}
	// Those of distributions have suffixes.
	if _, err := helm(t, "template", chart, "--kube-version", "v1.31.0-distribution.1"); err != nil {
		t.Error(err)
	}
}

// The archive has all that the folder has, and versions of its own.
func TestPackage(t *testing.T) {
	dir := t.TempDir()
	const version = "1.2.3-4-g0123abc"
	if _, err := helm(t, "package", chart, "--version", version, "--app-version", version, "-d", dir); err != nil {
		t.Fatal(err)
	}
	folder, err := helm(t, "template", "studio", chart, "--namespace", namespace)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := helm(t, "template", "studio", filepath.Join(dir, "kube-smcroute-"+version+".tgz"), "--namespace", namespace)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(archive, "image: \"kube-smcroute:"+version+"\"\n") {
		t.Error("the image is not that of the version")
	}
	for _, replace := range [][2]string{
		{"version: \"" + version + "\"", "version: \"devel\""},
		{"version: " + version + "\n", "version: devel\n"},
		{"chart: kube-smcroute-" + version, "chart: kube-smcroute-0.1.0"},
		{"kube-smcroute:" + version, "kube-smcroute:devel"},
	} {
		archive = strings.ReplaceAll(archive, replace[0], replace[1])
	}
	if archive != folder {
		t.Error("the archive makes other objects than the folder")
	}
}

// As part of a chart of somebody's own, it is handed what concerns all parts.
func TestPartOfAnotherChart(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "charts", chart), os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"Chart.yaml":  "apiVersion: v2\nname: studio\nversion: 1.0.0\n",
		"values.yaml": "global: {site: here}\nkube-smcroute: {agent: {logLevel: debug}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := helm(t, "template", "studio", dir)
	if err != nil || !strings.Contains(out, "--log-level=debug") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A smcroute.conf comes through as it is.
func TestConfComesThrough(t *testing.T) {
	for _, conf := range []string{
		"mroute from eth0 group 225.1.2.3 to eth1", "  # indented\n\tmgroup from eth0 group 225.1.2.3 # tab\n\n\n",
		"# {{ .Values }} \"quoted\" 'so' \\\n---\nphyint eth0 enable: yes\n", "\n\n# blank lines\n", "# \u00fc\r\n",
	} {
		values, err := yaml.Marshal(map[string]any{"agent": map[string]any{"conf": conf}})
		if err != nil {
			t.Fatal(err)
		}
		all := typed(t, mustInstall(t, string(values)).Manifest)
		m := object[*corev1.ConfigMap](t, all, "ConfigMap kube-smcroute-agent-conf")
		if got := m.Data["smcroute.conf"]; got != conf {
			t.Errorf("%q became %q", conf, got)
		}
	}
}

// The route of the notes is one that counts, whatever the namespace.
func TestNotes(t *testing.T) {
	v, err := crd.NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ values, want string }{
		{"", "elsewhere"},
		{"agent: {hostNamespaces: [studio, elsewhere]}", "studio"},
		{"agent: {hostNamespaces: ['*']}", "elsewhere"},
	} {
		notes := mustInstall(t, test.values, "--namespace", "elsewhere").Info.Notes
		_, text, _ := strings.Cut(notes, "<<'END'\n")
		text, _, _ = strings.Cut(text, "   END\n")
		json, err := yaml.YAMLToJSONStrict([]byte(text))
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		var route unstructured.Unstructured
		if err := route.UnmarshalJSON(json); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		v.Default(&route)
		for _, err := range v.Validate(&route) {
			t.Error(err)
		}
		if route.GetNamespace() != test.want {
			t.Errorf("with %q the route is in the namespace %s, want %s", test.values, route.GetNamespace(), test.want)
		}
	}
}

// Each threshold is in the alert that it is for, and labels are in all.
func TestThresholds(t *testing.T) {
	const metrics = "agent: {metrics: {enabled: true}}\n"
	rules := func(values string) map[string]monitoringv1.Rule {
		all := map[string]monitoringv1.Rule{}
		r := mustInstall(t, metrics+"metrics: {rules: {enabled: true, "+values+"}}")
		for _, g := range object[*monitoringv1.PrometheusRule](t, typed(t, r.Manifest), "PrometheusRule kube-smcroute").Spec.Groups {
			for _, rule := range g.Rules {
				all[rule.Alert] = rule
			}
		}
		return all
	}
	before := rules("")
	after := rules("streamIdleSeconds: 20, streamSeenWithin: 2h, wrongInterfaceRate: 0.5, vifTablePercent: 75, upcallsLost: 100, " +
		"pendingIgnored: [no_interface], disabled: [SmcrouteKernelErrors], alertLabels: {team: media, severity: page}")
	if before["SmcrouteKernelErrors"].Alert == "" || after["SmcrouteKernelErrors"].Alert != "" {
		t.Error("SmcrouteKernelErrors is not there only if it is not disabled")
	}
	for alert, want := range map[string][2]string{
		"SmcrouteStreamSilent": {
			"smcroute_route_idle_seconds > 10\n  and\nincrease(smcroute_route_packets_total[1h]) > 0\n  and\nmax_over_time(smcroute_route_flows[1h]) > 0",
			"smcroute_route_idle_seconds > 20\n  and\nincrease(smcroute_route_packets_total[2h]) > 0\n  and\nmax_over_time(smcroute_route_flows[2h]) > 0",
		},
		"SmcrouteWrongInterface": {
			"rate(smcroute_route_wrong_interface_packets_total[5m]) > 1", "rate(smcroute_route_wrong_interface_packets_total[5m]) > 0.5",
		},
		"SmcrouteVIFTableNearlyFull": {"smcroute_vifs / smcroute_vifs_limit > 0.9", "smcroute_vifs / smcroute_vifs_limit > 0.75"},
		"SmcrouteUpcallsLost":        {"increase(smcroute_upcalls_lost_total[5m]) > 0", "increase(smcroute_upcalls_lost_total[5m]) > 100"},
		"SmcrouteRulesPending": {
			`smcroute_pending_rules{cause!~"in_progress|no_match|flow_limit"} > 0`, `smcroute_pending_rules{cause!~"no_interface"} > 0`,
		},
	} {
		if diff := cmp.Diff(want, [2]string{before[alert].Expr.StrVal, after[alert].Expr.StrVal}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", alert, diff)
		}
	}
	for name, rule := range after {
		if diff := cmp.Diff(map[string]string{"team": "media", "severity": "page"}, rule.Labels); diff != "" {
			t.Errorf("%s: labels (-want +got):\n%s", name, diff)
		}
	}
}
