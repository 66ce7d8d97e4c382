package spread_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/spread"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// A process was killed, and before the next one comes somebody takes the table to which
// its rules lead. The next one cannot tell these rules from such of that program: it leaves
// them alone, says what they do, and routes what arrives on all other links, until that
// program gives the table up.
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
		if !netlab.Poll(soon, func() bool { return strings.Contains(log.String(), want) }) {
			t.Errorf("the log has no %q:\n%s", want, &log)
		}
	}
	if strings.Contains(log.String(), "as they should") {
		t.Errorf("the log says that packets are led as they should:\n%s", &log)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	l.awaitPending()
	l.set(routes...) // returns when packets are led where they belong
	l.stream(flow(mroute.IPv4, 31), "n31", "n32").lost()
}

// A table that somebody had when it was needed first is used when one is needed again.
func TestTableIsFreeAgain(t *testing.T) {
	l := newLab(t)
	l.links("n", 36)
	var routes []mroute.Route
	for i := range 36 {
		routes = append(routes, anySource(flow(mroute.IPv4, i), mroute.IfPattern(fmt.Sprint("n", i)), "n0"))
	}
	other, err := linux.Open(linux.Options{NetNS: l.router.Path(), Table: spread.FirstTable + 1})
	if err != nil {
		t.Fatal(err)
	}
	l.start()
	for _, want := range []uint32{spread.FirstTable + 2, spread.FirstTable + 1} {
		l.set(routes...)
		if got := l.snapshot().Tables; !slices.Equal(got, []uint32{want}) {
			t.Errorf("tables beside the first: %v, want %d", got, want)
		}
		l.set(routes[:3]...)
		if got := l.snapshot().Tables; len(got) > 0 {
			t.Errorf("tables that are not needed: %v", got)
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// unruly is a kernel that adds no rules while it is out of order.
type unruly struct {
	*linux.Kernel
	broken *atomic.Bool
}

func (k unruly) AddRules(rules []kernel.Rule) error {
	if k.broken.Load() {
		return errors.New("no rules today")
	}
	return k.Kernel.AddRules(rules)
}

// What cannot be done is told once, and once more if it could be done in between.
func TestTroubleIsToldAgain(t *testing.T) {
	l := newLab(t)
	l.links("n", 36)
	var routes []mroute.Route
	for i := range 36 {
		routes = append(routes, anySource(flow(mroute.IPv4, i), mroute.IfPattern(fmt.Sprint("n", i)), "n0"))
	}
	var log programs.Output
	var broken atomic.Bool
	l.log, l.wrap = &log, func(k *linux.Kernel) kernel.Kernel { return unruly{k, &broken} }
	l.start()
	for i := range 3 {
		broken.Store(true)
		l.set(routes...)
		l.set(routes...)
		if got := strings.Count(log.String(), "it is tried again: no rules today"); got != i+1 {
			t.Errorf("the trouble was told %d times, want %d", got, i+1)
		}
		broken.Store(false)
		l.set(routes...)
		if got := strings.Count(log.String(), "as they should"); got != i+1 {
			t.Errorf("its end was told %d times, want %d", got, i+1)
		}
		l.set(routes[:3]...)
	}
	if t.Failed() {
		t.Log(log.String())
	}
}
