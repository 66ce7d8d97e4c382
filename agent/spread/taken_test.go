package spread_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/spread"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// A process was killed, and before the next one comes somebody takes the table to which
// its rules lead. The next one cannot tell these rules from such of that program: it leaves
// them alone, says what they do, and routes what arrives on all other links.
func TestTableOfHeirsIsTaken(t *testing.T) {
	l := newLab(t)
	l.links("n", 36)
	var routes []mroute.Route
	for i := range 36 {
		routes = append(routes, anySource(flow(mroute.IPv4, i), mroute.IfPattern(fmt.Sprint("n", i)), mroute.IfPattern(fmt.Sprint("n", (i+1)%36))))
	}
	l.start()
	l.set(routes...)
	l.stop((*spread.Router).Detach) // as if it had been killed
	other, err := linux.Open(linux.Options{NetNS: l.router.Path(), Table: spread.FirstTable + 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	var log programs.Output
	l.log = &log
	l.start()
	l.set(routes...)
	for _, i := range []int{1, 30} {
		from, to := fmt.Sprint("n", i), fmt.Sprint("n", i+1)
		l.stream(flow(mroute.IPv4, i), from, to).lost()
	}
	if got := fmt.Sprint(l.rules()); !strings.Contains(got, fmt.Sprint(spread.FirstTable+1)) || !strings.Contains(got, fmt.Sprint(spread.FirstTable+2)) {
		t.Errorf("rules are %v", got)
	}
	for _, want := range []string{"lead packets to tables that cannot be taken over: it is tried again: ", "Packets that arrive on n31 and 4 more do not come to this router: the IPv4 rule of priority 10 leads to table 90000001"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, &log)
		}
	}
}
