package alerts

import "github.com/smcroute/kube-smcroute/agent/metrics"

// ofTarget are the labels that Prometheus gives to all that it reads; of pods it
// gives these two more to what the PodMonitors ask for.
var ofTarget, ofPod = []string{"job", "instance"}, []string{"namespace", "pod"}

// ofController lists the controller's own metrics, and those of what reads them.
var ofController = map[string][]string{
	"smcroute_controller_nodes":  {"state"},
	"smcroute_controller_routes": {"condition", "status"},
}

// metricsThatExist lists metrics, with their labels.
func metricsThatExist() map[string][]string {
	all := map[string][]string{"up": ofTarget}
	for _, d := range metrics.All() {
		labels := append(d.Labels[:len(d.Labels):len(d.Labels)], ofTarget...)
		if d.Kind != metrics.Histogram {
			all[d.Name] = labels
			continue
		}
		all[d.Name+"_sum"], all[d.Name+"_count"] = labels, labels
		all[d.Name+"_bucket"] = append(labels[:len(labels):len(labels)], "le")
	}
	for name, labels := range ofController {
		all[name] = append(append(labels, ofTarget...), ofPod...)
	}
	return all
}
