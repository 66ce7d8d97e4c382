package doctor

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/view"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// state is what the router says.
func (l *lab) state() view.State {
	l.Helper()
	out, err := l.node.Command("smcroutectl", "-u", l.socket(), "state").Output()
	var s view.State
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil {
		l.Fatalf("smcroutectl state: %v\n%s", err, out)
	}
	return s
}

// stopped is the source of a flow that is refused, or "".
func (l *lab) stopped() string {
	l.Helper()
	for _, f := range l.state().Flows {
		if f.Kind == view.StopFilter {
			return f.Source.String()
		}
	}
	return ""
}

// awaitMember waits until a bridge of the node knows who joined a group, and
// keeps others from ports that did not.
func (l *lab) awaitMember(bridge string, group netip.Addr) {
	l.Helper()
	netlab.Await(l, deadline, func() bool {
		out, err := l.node.Command("bridge", "mdb", "show", "dev", bridge).Output()
		if err != nil {
			l.Fatalf("bridge mdb show: %v", err)
		}
		return slices.Contains(strings.Fields(string(out)), group.String())
	}, "the bridge to know of the member")
}
