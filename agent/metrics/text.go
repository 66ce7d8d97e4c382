package metrics

import (
	"bufio"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/agent/meter"
)

// Format is one of the two text formats of metrics.
type Format uint8

// The formats: Prometheus' own, version 0.0.4, and OpenMetrics 1.0.0
// (draft-richih-opsawg-openmetrics-00).
const (
	Text Format = iota
	OpenMetrics
)

// ContentType is the value of the header of that name.
func (f Format) ContentType() string {
	if f == OpenMetrics {
		return "application/openmetrics-text; version=1.0.0; charset=utf-8"
	}
	return "text/plain; version=0.0.4; charset=utf-8"
}

// Write writes families.
func Write(w io.Writer, f Format, families []Family) error {
	b := &writer{Writer: bufio.NewWriter(w), format: f}
	for i := range families {
		b.family(&families[i])
	}
	if f == OpenMetrics {
		b.words("# EOF\n")
	}
	return b.Flush()
}

// writer keeps its first error, for Flush.
type writer struct {
	*bufio.Writer
	format Format
}

func (w *writer) words(words ...string) {
	for _, s := range words {
		_, _ = w.WriteString(s)
	}
}

func (w *writer) family(f *Family) {
	name, help := f.Name, helpEscapes.Replace(f.Help)
	if w.format == OpenMetrics {
		help = labelEscapes.Replace(f.Help)
		if f.Kind == Counter {
			name = strings.TrimSuffix(name, "_total")
		}
	}
	w.words("# HELP ", name, " ", help, "\n# TYPE ", name, " ", f.Kind.String(), "\n")
	for i := range f.Samples {
		s := &f.Samples[i]
		if s.Buckets == nil {
			w.sample(f.Name, f.Labels, s.Labels, "", s.Value)
			continue
		}
		for i, bound := range meter.Bounds {
			w.sample(f.Name+"_bucket", f.Labels, s.Labels, w.bound(bound), float64(s.Buckets.UpTo[i]))
		}
		w.sample(f.Name+"_bucket", f.Labels, s.Labels, "+Inf", float64(s.Buckets.Count))
		w.sample(f.Name+"_sum", f.Labels, s.Labels, "", s.Buckets.Sum.Seconds())
		w.sample(f.Name+"_count", f.Labels, s.Labels, "", float64(s.Buckets.Count))
	}
}

// sample writes a line. le is the upper bound of a bucket, "" for none.
func (w *writer) sample(name string, labels, values []string, le string, value float64) {
	w.words(name)
	sep := "{"
	for i, l := range labels {
		w.words(sep, l, `="`, labelEscapes.Replace(values[i]), `"`)
		sep = ","
	}
	if le != "" {
		w.words(sep, `le="`, le, `"`)
		sep = ","
	}
	if sep == "," {
		w.words("}")
	}
	w.words(" ", formatFloat(value), "\n")
}

// bound is that of a bucket, which OpenMetrics wants to be seen as no integer.
func (w *writer) bound(d time.Duration) string {
	s := formatFloat(d.Seconds())
	if w.format == OpenMetrics && !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// Of a help text the plain format escapes less.
var (
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

// formatFloat writes numbers that people can read without an exponent.
func formatFloat(v float64) string {
	if v == 0 || math.Abs(v) >= 1e-4 && math.Abs(v) < 1<<53 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
