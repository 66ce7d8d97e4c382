package main

import (
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/procfs"
	"k8s.io/client-go/rest"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/fleet"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// meter reads what there is to know.
type meter struct {
	tb         netlab.TB
	lab        *kubelab.Lab
	fleet      *fleet.Fleet
	http       *http.Client
	controller int // process ID
}

// sample is what was read at a time. Counts go on from the start of the API server.
type sample struct {
	at      time.Time
	writes  map[string]float64 // requests, by resource
	refused float64            // those that failed: conflicts, too many at a time, timeouts
	reads   map[string]float64 // get and list
	watches float64            // that are open on our kinds
	events  float64            // of our kinds, sent to who watches
	traffic fleet.Traffic

	server, control, self usage
	etcd                  float64 // bytes
}

// usage is that of a process.
type usage struct {
	cpu float64 // seconds
	rss float64 // bytes
}

func newMeter(tb netlab.TB, lab *kubelab.Lab, f *fleet.Fleet, controller int) *meter {
	c, err := rest.HTTPClientFor(lab.Config)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	return &meter{tb, lab, f, c, controller}
}

func (m *meter) sample() sample {
	s := sample{
		at: time.Now(), writes: map[string]float64{}, reads: map[string]float64{},
		traffic: m.fleet.Traffic(), control: process(m.tb, m.controller), self: self(),
	}
	response, err := m.http.Get("https://" + kubelab.Address + ":" + kubelab.Port + "/metrics")
	if err != nil {
		m.tb.Fatalf("metrics of the API server: %v", err)
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		m.tb.Fatalf("metrics of the API server: %v", err)
	}
	ours := func(l map[string]string) bool { return l["group"] == v1alpha1.GroupVersion.Group }
	each(families["apiserver_request_total"], func(l map[string]string, n float64) {
		if !ours(l) {
			return
		}
		switch l["verb"] {
		case "POST", "PUT", "PATCH", "DELETE", "APPLY":
			name := l["resource"]
			if l["subresource"] != "" {
				name += "/" + l["subresource"]
			}
			s.writes[name] += n
			if l["code"] >= "400" {
				s.refused += n
			}
		case "GET", "LIST":
			s.reads[l["resource"]] += n
		}
	})
	each(families["apiserver_watch_events_total"], func(l map[string]string, n float64) {
		if ours(l) {
			s.events += n
		}
	})
	each(families["apiserver_longrunning_requests"], func(l map[string]string, n float64) {
		if ours(l) && l["verb"] == "WATCH" {
			s.watches += n
		}
	})
	sum := func(name string) (n float64) {
		each(families[name], func(_ map[string]string, v float64) { n += v })
		return n
	}
	s.server = usage{sum("process_cpu_seconds_total"), sum("process_resident_memory_bytes")}
	s.etcd = sum("apiserver_storage_size_bytes")
	return s
}

// each calls f for the values of a family, or none if it is nil.
func each(family *dto.MetricFamily, f func(labels map[string]string, value float64)) {
	for _, m := range family.GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		f(labels, m.GetCounter().GetValue()+m.GetGauge().GetValue())
	}
}

// process is the usage of another process.
func process(tb netlab.TB, pid int) usage {
	p, err := procfs.NewProc(pid)
	if err == nil {
		var stat procfs.ProcStat
		if stat, err = p.Stat(); err == nil {
			return usage{stat.CPUTime(), float64(stat.ResidentMemory())}
		}
	}
	tb.Fatalf("process %d: %v", pid, err)
	return usage{}
}

// self is the usage of this one.
func self() usage {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // which does not fail
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds(), float64(m.Sys - m.HeapReleased)}
}

// load is the machine's.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(string(b))[:3], ", ")
}
