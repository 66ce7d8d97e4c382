package report

import (
	"fmt"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// Mode is how much goes through the API server. It is a flag's value.
type Mode string

// The modes.
const (
	// Full reports states, counters and some of the flows of each route.
	Full Mode = "Full"
	// Summary reports states alone: a node whose states stay as they are writes
	// once in two intervals. Counters are then Prometheus's business.
	Summary Mode = "Summary"
	// Off reports nothing, and makes no request. An object that was written
	// before stays until its Node is gone, or somebody deletes it; as it is late,
	// the controller takes the node for one that does not report.
	Off Mode = "Off"
)

// String returns the mode.
func (m *Mode) String() string { return string(*m) }

// Type names what is expected.
func (m *Mode) Type() string { return "MODE" }

// Set takes one of the modes.
func (m *Mode) Set(s string) error {
	switch v := Mode(s); v {
	case Full, Summary, Off:
		*m = v
		return nil
	}
	return fmt.Errorf("expected Full, Summary or Off, not %q", s)
}

// strip takes out of a report what the mode has no place for.
func (m Mode) strip(s *v1alpha1.MulticastNodeStateStatus) {
	if m == Full {
		return
	}
	s.Summary.VIFs, s.Summary.Flows = 0, 0
	for i := range s.Routes {
		s.Routes[i].Counters, s.Routes[i].Flows = nil, nil
	}
}
