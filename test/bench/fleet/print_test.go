package main

import (
	"strings"
	"testing"
	"time"
)

// TestPrintsWhatThereIs has runs that ended before their time.
func TestPrintsWhatThereIs(t *testing.T) {
	b := &bench{o: options{agents: 4, routes: 10, interval: 5 * time.Minute}}
	var nothing strings.Builder
	b.print(&nothing)

	b.add("start of an agent", time.Second, 3*time.Second)
	b.add("never measured")
	at := time.Now()
	b.phases = append(b.phases, phase{
		name:   "start",
		before: sample{at: at, server: usage{rss: 100e6}},
		after:  sample{at: at.Add(10 * time.Second), server: usage{cpu: 1, rss: 104e6}, events: 4000, writes: map[string]float64{states: 20}},
	}, phase{name: "steady (not to its end)", before: sample{at: at}, after: sample{at: at.Add(time.Second)}})
	var some strings.Builder
	b.print(&some)
	for _, want := range []string{
		"| start of an agent | 2 | 3s | 3s | 3s |\n",
		"| writes a second | 2.00 | 0.00 |\n",
		"| memory of the API server, MB | 1.000 | 100.0 | 10100.0 |\n",
		"| events an agent until all statuses are told, R at least | 10 | 1000.0 |\n",
	} {
		if !strings.Contains(some.String(), want) {
			t.Errorf("expected %q in\n%s", want, some.String())
		}
	}
	if strings.Contains(some.String(), "never measured") || strings.Contains(some.String(), "N / interval") {
		t.Errorf("there is something that was not measured:\n%s", some.String())
	}
}

// TestMemoryIsAskedFor has a run that no machine has memory for, and one for any.
func TestMemoryIsAskedFor(t *testing.T) {
	if err := enough(options{agents: 1e9}); err == nil || !strings.Contains(err.Error(), "-anyway") {
		t.Errorf("%v", err)
	}
	if err := enough(options{agents: -1000}); err != nil {
		t.Errorf("no agent: %v", err)
	}
}
