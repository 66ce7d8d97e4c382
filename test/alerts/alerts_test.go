// Package alerts tests the alerts of config/monitoring/rules.yaml with promtool, by
// the files beside this one; and that alerts and dashboard are about metrics that
// there are, and lead to sections that there are.
//
// To run one of the files: hack/promtool test rules test/alerts/router.yaml
package alerts

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	rules     = "../../config/monitoring/rules.yaml"
	dashboard = "../../config/monitoring/dashboard.json"
	guide     = "docs/operations.md"
)

// run runs a program, and returns what it prints.
func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	var said strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, said.String(), out)
	}
	return out
}

// Each alert fires in its case, and is silent when all is well and in a restart.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests of alerts: %v", err)
	}
	run(t, "../../hack/promtool", append([]string{"test", "rules"}, files...)...)
}

// alert is one of the rules.
type alert struct {
	Alert       string
	Labels      map[string]string
	Annotations map[string]string
}

func readYAML(t *testing.T, file string, to any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	readYAML(t, rules, &file)
	var all []alert
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatalf("%s: no alerts", rules)
	}
	return all
}

// Each alert has a case in which it fires, and one more in which it is asked for and
// does not.
func TestEachAlertHasTests(t *testing.T) {
	fires, silent := map[string]bool{}, map[string]bool{}
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		var file struct {
			Tests []struct {
				AlertRuleTest []struct {
					Alertname string
					ExpAlerts []any `json:"exp_alerts"`
				} `json:"alert_rule_test"`
			}
		}
		readYAML(t, name, &file)
		for _, test := range file.Tests {
			fired := map[string]bool{}
			for _, a := range test.AlertRuleTest {
				fired[a.Alertname] = fired[a.Alertname] || len(a.ExpAlerts) > 0
			}
			for name, f := range fired {
				fires[name] = fires[name] || f
				silent[name] = silent[name] || !f
			}
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert] || !silent[a.Alert] {
			t.Errorf("%s: there is a test in which it fires: %v; one in which it never does: %v; expected both", a.Alert, fires[a.Alert], silent[a.Alert])
		}
	}
}

// heading is a line of Markdown that has an anchor.
var heading = regexp.MustCompile(`(?m)^#+ (.+)$`)

// anchor is what GitHub makes of a heading.
func anchor(text string) string {
	return regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ReplaceAll(strings.ToLower(text), " ", "-"), "")
}

// Each alert says what to do, and leads to the section that has its name.
func TestRunbooks(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("../..", guide))
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(string(text), -1) {
		anchors[anchor(h[1])] = true
	}
	for _, a := range alerts(t) {
		page, section, _ := strings.Cut(a.Annotations["runbook_url"], "#")
		if want := repository(t) + "/blob/main/" + guide; page != want || !anchors[section] {
			t.Errorf("%s: runbook_url is %s: expected a section of %s", a.Alert, a.Annotations["runbook_url"], want)
		}
		if name := strings.TrimPrefix(strings.ToLower(a.Alert), "smcroute"); strings.ReplaceAll(section, "-", "") != name {
			t.Errorf("%s: the section %s has another name", a.Alert, section)
		}
		if !strings.Contains(string(text), "`"+a.Alert+"`") {
			t.Errorf("%s does not name %s", guide, a.Alert)
		}
		if a.Annotations["summary"] == "" || !strings.Contains(a.Annotations["description"], "$value") && !strings.Contains(a.Annotations["description"], "$labels") {
			t.Errorf("%s: expected a summary, and a description with labels or the value", a.Alert)
		}
		if s := a.Labels["severity"]; s != "warning" && s != "critical" {
			t.Errorf("%s: the severity is %q: expected warning or critical", a.Alert, s)
		}
	}
}

// repository is where the chart says that the project is at home.
func repository(t *testing.T) string {
	t.Helper()
	var chart struct{ Home string }
	readYAML(t, "../../charts/kube-smcroute/Chart.yaml", &chart)
	return chart.Home
}

// use is a metric in a query, as hack/monitoring lists them.
type use struct {
	Where, Metric string
	Labels        []string
}

// series is one in a test of alerts.
var series = regexp.MustCompile(`series: '(\w+){(.*)}'`)

// label is one with its value.
var label = regexp.MustCompile(`(\w+)="[^"]*"`)

// Queries are about metrics that there are, by labels that these have. So are tests
// of alerts, which would mean nothing otherwise.
func TestMetricsExist(t *testing.T) {
	program := filepath.Join(t.TempDir(), "monitoring")
	run(t, "go", "build", "-C", "../../hack/monitoring", "-o", program, ".")
	var uses []use
	if err := json.Unmarshal(run(t, program, rules, dashboard), &uses); err != nil {
		t.Fatal(err)
	}
	if len(uses) < 30 {
		t.Errorf("only %d uses of metrics were found: expected more", len(uses))
	}
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range series.FindAllStringSubmatch(string(text), -1) {
			u := use{Where: file, Metric: s[1]}
			for _, l := range label.FindAllStringSubmatch(s[2], -1) {
				u.Labels = append(u.Labels, l[1])
			}
			uses = append(uses, u)
		}
	}
	known := metricsThatExist()
	for _, u := range uses {
		labels, ok := known[u.Metric]
		if !ok {
			t.Errorf("%s: there is no metric %s", u.Where, u.Metric)
			continue
		}
		for _, l := range u.Labels {
			if !slices.Contains(labels, l) {
				t.Errorf("%s: %s has no label %s: expected one of %s", u.Where, u.Metric, l, strings.Join(labels, ", "))
			}
		}
	}
}
