package diagnose

import (
	"time"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// Report is what was found, in the order of the way that packets take.
type Report struct {
	Time     time.Time    `json:"time"`             // when the observation ended
	Window   view.Seconds `json:"window"`           // how long packets were observed
	Source   view.Net     `json:"source,omitzero"`  // what was asked for; none: any
	Group    view.Net     `json:"group,omitzero"`   // none: all rules
	Examined int          `json:"examined"`         // how many pairs of a source, or any, and a group
	Findings []Finding    `json:"findings"`         // never null
	Unseen   []Unseen     `json:"unseen,omitempty"` // what could not be looked at
	Blind    bool         `json:"blind,omitempty"`  // the router could not be asked: no finding means nothing
}

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	Broken Severity = "broken" // packets are lost by it
	Risk   Severity = "risk"   // packets may be lost by it, or nobody sends any
	Note   Severity = "note"   // good to know
)

// rank orders severities, the worst first.
func (s Severity) rank() int {
	switch s {
	case Broken:
		return 0
	case Risk:
		return 1
	}
	return 2
}

// Finding is one thing that is wrong.
type Finding struct {
	ID       ID       `json:"id"`
	Severity Severity `json:"severity"`
	Source   view.Net `json:"source,omitzero"` // of the flow that it is about; none: any
	Group    view.Net `json:"group,omitzero"`  // none: it is about the node
	Link     string   `json:"link,omitempty"`  // the interface where it is
	Text     string   `json:"text"`            // what is wrong, a sentence for a person
	Evidence []string `json:"evidence"`        // how one sees it, line by line
	Fix      []string `json:"fix"`             // commands that mend it; a line that begins with # is for a person
	Doc      string   `json:"doc"`             // where the documentation has more
}

// Unseen is something that could not be looked at.
type Unseen struct {
	What string `json:"what"` // "packets", "firewall"
	Why  string `json:"why"`
}

// Broken reports whether packets are lost by something that was found.
func (r *Report) Broken() bool {
	for i := range r.Findings {
		if r.Findings[i].Severity == Broken {
			return true
		}
	}
	return false
}
