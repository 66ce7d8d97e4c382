// Package doctor finds out why a stream does not arrive: it looks at the router,
// at the node's network, and for a moment at its packets. Package diagnose says
// what all that means.
//
// It changes nothing: neither the router nor the node. What it may not look at
// is in the report.
package doctor

import (
	"context"
	"net/netip"
	"time"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// What is found, under the names that callers use.
type (
	Report   = diagnose.Report
	Finding  = diagnose.Finding
	Severity = diagnose.Severity
	Unseen   = diagnose.Unseen
)

// The severities.
const (
	Broken = diagnose.Broken
	Risk   = diagnose.Risk
	Note   = diagnose.Note
)

// DefaultFor is how long packets are observed, if nothing else is said.
const DefaultFor = 2 * time.Second

// Options say what to examine.
type Options struct {
	// State asks the router. An error that is fs.ErrPermission says that it may
	// not be asked, any other that it does not answer.
	State func(context.Context) (*view.State, error)
	// Visit goes over the router instead, which takes less memory: of 100,000 rules only
	// those are kept that are examined. Without a group it is called twice as often, first
	// to choose these: not for who gets a whole document each time, as by a socket.
	Visit func(context.Context, view.Visit) (*view.State, error)

	Socket string // where it was asked, for a person; ""
	NetNS  string // path of the node's network namespace; "": of this process

	Group  netip.Addr    // the zero Addr: all rules, and of each flow the worst finding
	Source netip.Addr    // the zero Addr: any
	For    time.Duration // how long packets are observed; 0: [DefaultFor]
}

// Examine looks, and reports. The error says that it could not look at all: the
// network namespace is not to be entered, or ctx ended.
func Examine(ctx context.Context, o Options) (Report, error) {
	if o.For <= 0 {
		o.For = DefaultFor
	}
	facts, err := gather(ctx, o)
	if err != nil {
		return Report{}, err
	}
	return diagnose.Diagnose(facts), nil
}
