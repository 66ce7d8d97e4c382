package metrics

import (
	"strings"

	"github.com/smcroute/kube-smcroute/agent/meter"
)

// Family is a metric and its samples.
type Family struct {
	*Desc
	Samples []Sample
}

// Sample is one number, or the numbers of a histogram.
type Sample struct {
	Labels  []string // values, in the order of [Desc.Labels]
	Value   float64
	Buckets *meter.Buckets // of a histogram alone
}

// families are samples by metric.
type families map[*Desc][]Sample

func (fs families) add(d *Desc, value float64, labels ...string) {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD") // paths of files may be anything
	}
	fs[d] = append(fs[d], Sample{Labels: labels, Value: value})
}

func (fs families) addHistogram(d *Desc, h *meter.Histogram, labels ...string) {
	b := h.Read()
	fs[d] = append(fs[d], Sample{Labels: labels, Buckets: &b})
}

// list returns those that have samples, in the order of all.
func (fs families) list() []Family {
	var list []Family
	for _, d := range all {
		if len(fs[d]) > 0 {
			list = append(list, Family{d, fs[d]})
		}
	}
	return list
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
