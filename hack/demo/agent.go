package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/yaml"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

const agentDrawing = `
      sender                  router                   receivers
    ┌────────┐          ┌────────────────┐            ┌─────────┐
    │        │          │           eth1 ├────────────┤ left    │
    │   eth0 ├──────────┤ eth0           │            └─────────┘
    │        │          │ smcroute-agent │            ┌─────────┐
    └────────┘          │          wlan0 ├────────────┤ right   │
                        └────────────────┘            └─────────┘
`

// sampleNames are those samples that need no pods, the one to be shown first.
var sampleNames = []string{"studio.yaml", "iptv.yaml", "site-ipv6.yaml", "news-group.yaml"}

// samples are the objects of the second act by the names of their files.
type samples map[string]string

func readSamples(dir string) (samples, error) {
	s := samples{}
	for _, name := range sampleNames {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		s[name] = string(text)
	}
	return s, nil
}

// agentAttempts, in the order of attempts.
var agentAttempts = []attempt{
	{"no object covers it", "", flow("192.168.1.42", "232.9.9.9"), 10, false, false},
	{"another source", "", flow("192.168.1.43", "232.1.2.3"), 10, false, false},
	{"TTL 4 is not above 4", "studio", flow("192.168.1.42", "232.1.2.4"), 4, false, false},
	{"one source, (S,G)", "studio", flow("192.168.1.42", "232.1.2.3"), 10, true, false},
	{"any source, (*,G)", "iptv", flow("192.0.2.77", "239.192.7.1"), 10, true, true},
	{"IPv6, ranges", "site-ipv6", flow("2001:db8:1::5", "ff3e::8000:7"), 10, true, false},
}

const studioStatus = statusDir + "/mcroute.kube-smcroute.studio.yaml"

// startAgent starts smcroute-agent on the samples, and waits until all of their
// routes are in the kernel.
func (n *network) startAgent(objects samples) {
	if err := os.Mkdir(manifests, 0o755); err != nil {
		n.tb.Fatalf("%v", err)
	}
	for name, text := range objects {
		n.writeManifest(name, text)
	}
	n.start(studioStatus, "smcroute-agent",
		"--manifests="+manifests, "--status-dir="+statusDir, "--node-name=router", "--node-labels=role=edge",
		"--report-interval=200ms", "--health-probe-bind-address=0")
	for _, object := range []string{"mcroute.kube-smcroute.studio", "mcroute.kube-smcroute.iptv", "mcroute.kube-smcroute.site-ipv6", "mcgroup.kube-smcroute.news"} {
		n.awaitStatus(statusDir+"/"+object+".yaml", "programmed: 1/1")
	}
}

func (n *network) writeManifest(name, text string) {
	// Not half of it at a time: the agent is watching.
	path := filepath.Join(manifests, name)
	if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o644), os.Rename(path+".new", path)); err != nil {
		n.tb.Fatalf("%v", err)
	}
}

// awaitStatus waits until a status file has a text.
func (n *network) awaitStatus(path, text string) string {
	var status []byte
	if !netlab.Poll(patience, func() bool {
		status, _ = os.ReadFile(path)
		return strings.Contains(string(status), text)
	}) {
		n.tb.Fatalf("%s has no %q:\n%s\nsmcroute-agent said:\n%s", path, text, status, n.log.String())
	}
	return string(status)
}

// agentAct shows smcroute-agent at work, as [network.daemonAct] does smcrouted.
func (n *network) agentAct(objects samples, wait time.Duration) bool {
	fmt.Println()
	title("The same with Kubernetes' objects, from files: no cluster needed")
	fmt.Print(agentDrawing, "\n")
	title("config/samples/" + sampleNames[0])
	fmt.Println(withoutComments(objects[sampleNames[0]]))
	fmt.Printf("and beside it %s\n\n", strings.Join(sampleNames[1:], ", "))

	good := n.play("OBJECT", agentAttempts, wait)

	title("The object's status, which is a file, too")
	fmt.Println(n.awaitStatus(studioStatus, fmt.Sprintf("packets: %d\n", 2*count)))
	return n.mistakeAct(objects, wait) && good
}

// mistakeAct makes a mistake in a file, to show that it stops no packets.
func (n *network) mistakeAct(objects samples, wait time.Duration) bool {
	studio := objects[sampleNames[0]]
	wrong := strings.Replace(studio, "ttlThreshold: 4", "ttlThreshold: 444", 1)
	if wrong == studio {
		n.tb.Fatalf("%s has no ttlThreshold: 4", sampleNames[0])
	}
	n.writeManifest(sampleNames[0], wrong)
	title("A mistake in the file, ttlThreshold: 444, is told, and stops no packets")
	fmt.Printf("%s\n\n", n.accepted(n.awaitStatus(studioStatus, "reason: Invalid")))

	n.atLeft.Reset()
	n.atRight.Reset()
	again := []attempt{agentAttempts[3]}
	again[0].why = "the last good version"
	good := n.play("OBJECT", again, wait)
	n.judge(good)
	return good
}

// accepted returns what the condition Accepted in an object's status says.
func (n *network) accepted(status string) string {
	var object v1alpha1.MulticastRoute
	if err := yaml.Unmarshal([]byte(status), &object); err != nil {
		n.tb.Fatalf("%v in\n%s", err, status)
	}
	c := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionAccepted)
	if c == nil {
		n.tb.Fatalf("no condition %s in\n%s", v1alpha1.ConditionAccepted, status)
	}
	return fmt.Sprintf("%s is %s, %s: %s", c.Type, c.Status, c.Reason, c.Message)
}

func withoutComments(text string) string {
	var lines []string
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		if !strings.HasPrefix(l, "#") {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "\n")
}
