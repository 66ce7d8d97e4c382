package report

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

func TestFirstReport(t *testing.T) {
	run(t, 1, "", 1, func(t *testing.T, all *fleet) {
		synctest.Wait()
		o := all.object("n000")
		if o == nil {
			t.Fatal("there is none")
		}
		want := []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: "n000", UID: "uid of n000"}}
		if diff := cmp.Diff(want, o.OwnerReferences); diff != "" {
			t.Errorf("owner (-want +got):\n%s", diff)
		}
		if promised := o.Status.NextReportTime.Sub(o.Status.ReportTime.Time); promised < 2*interval*11/10+coalesce || promised > 3*interval {
			t.Errorf("the next report is promised in %v", promised)
		}
		verbs := ""
		for _, r := range all.since(time.Time{})["n000"] {
			verbs += r.verb + " "
		}
		if verbs != "get create " {
			t.Errorf("requests: %s", verbs)
		}
	})
}

// TestSoon: after a while without a change, one is told at once.
func TestSoon(t *testing.T) {
	run(t, 1, Full, 0, func(t *testing.T, all *fleet) {
		time.Sleep(10 * interval)
		a := all.agents[0]
		a.set(func() { a.missing = true })
		time.Sleep(time.Second)
		// A heartbeat may have come less than 10 s before.
		if o := all.object("n000"); o.Status.Routes[0].Reason == v1alpha1.ReasonProgrammed && time.Since(o.Status.ReportTime.Time) > coalesce {
			t.Errorf("not told yet: %+v", o.Status)
		}
	})
}

// TestSoonAfterSlowAnswer: that the source took long once, as on a machine that is busy
// while all of it starts, does not keep the next change.
func TestSoonAfterSlowAnswer(t *testing.T) {
	run(t, 1, Full, 0, func(t *testing.T, all *fleet) {
		a := all.agents[0]
		time.Sleep(10*interval + time.Minute)
		a.mu.Lock()
		a.slow = 5 * time.Second
		a.mu.Unlock()
		a.set(func() {})
		time.Sleep(10 * time.Second)
		a.mu.Lock()
		a.slow = 0
		a.mu.Unlock()
		a.set(func() { a.missing = true })
		time.Sleep(coalesce + time.Second)
		if o := all.object("n000"); o.Status.Routes[0].Reason == v1alpha1.ReasonProgrammed {
			t.Errorf("not told yet: %+v", o.Status)
		}
	})
}

// TestRestart: a new agent's counters go on where those of the one before were
// at its end.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		var reported int64
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			a := &agent{node: "n", changed: make(chan struct{}, 1), made: time.Now(), traffic: 10}
			var running sync.WaitGroup
			running.Go(func() { _ = a.writer(s, Full).Start(ctx) })
			time.Sleep(time.Hour)
			cancel()
			running.Wait()
			got := s.object("n").Status.Routes[0].Counters.Packets
			if want := reported + 10*int64(time.Hour.Seconds()); got != want {
				t.Errorf("%d packets, want %d", got, want)
			}
			reported = got
		}
	})
}

// TestInterference: others change and remove the object, and the Node is another.
func TestInterference(t *testing.T) {
	run(t, 1, Full, 0, func(t *testing.T, all *fleet) {
		time.Sleep(time.Minute)
		requests := func(what string, do func(), want ...string) {
			t.Helper()
			from := time.Now()
			all.set(do)
			all.agents[0].set(func() { all.agents[0].missing = !all.agents[0].missing })
			time.Sleep(coalesce + time.Second)
			var got []string
			for _, r := range all.since(from)["n000"] {
				got = append(got, r.verb)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		requests("undisturbed", func() {}, "update")
		requests("changed", func() {
			o := all.objects["n000"]
			o.Labels = map[string]string{"by": "admin"}
			all.store(o)
		}, "update", "get", "update")
		if o := all.object("n000"); o.Labels["by"] != "admin" {
			t.Errorf("somebody's labels are gone: %v", o.Labels)
		}
		requests("removed", func() { delete(all.objects, "n000") }, "update", "create")
		requests("removed and made by another", func() {
			o := all.objects["n000"].DeepCopy()
			o.OwnerReferences = nil
			all.store(o)
		}, "update", "get", "update")
		if o := all.object("n000"); len(o.OwnerReferences) != 1 {
			t.Errorf("owners: %v", o.OwnerReferences)
		}
	})
}

// TestNodeMadeAnew: a Node that is made anew takes the report with it, which is
// made anew without waiting for a heartbeat.
func TestNodeMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := newServer(t)
		a := &agent{node: "n", changed: make(chan struct{}, 1), made: time.Now()}
		w := a.writer(s, Summary)
		uid := types.UID("one")
		w.store.nodeUID = func(context.Context) (u types.UID, _ error) {
			s.set(func() { u = uid })
			return u, nil
		}
		var running sync.WaitGroup
		running.Go(func() { _ = w.Start(ctx) })
		time.Sleep(time.Hour)
		s.set(func() {
			uid = "another"
			delete(s.objects, "n") // by the garbage collector
		})
		a.set(func() {}) // the reconciler had a round
		time.Sleep(coalesce + time.Second)
		if o := s.object("n"); o == nil || o.OwnerReferences[0].UID != "another" {
			t.Errorf("%+v", o)
		}
		cancel()
		running.Wait()
	})
}

// TestTrouble: a line in the log for each transition, and none for each attempt.
func TestTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := newServer(t)
		a := &agent{node: "n", changed: make(chan struct{}, 1), made: time.Now(), err: errors.New("nothing yet")}
		var log strings.Builder
		w := a.writer(s, Full)
		w.log = slog.New(slog.NewTextHandler(&log, nil))
		uid, noNode := types.UID(""), errors.New("no Node n")
		w.store.nodeUID = func(context.Context) (u types.UID, err error) {
			s.set(func() { u, err = uid, noNode })
			return u, err
		}
		s.down = true
		var running sync.WaitGroup
		running.Go(func() { _ = w.Start(ctx) })
		time.Sleep(10 * time.Minute)
		s.set(func() { s.down = false })
		time.Sleep(10 * time.Minute)
		a.set(func() {
			if a.asked < 2 {
				t.Errorf("the source was asked %d times, and had nothing", a.asked)
			}
			a.err = nil
		})
		time.Sleep(10 * time.Minute)
		if rs := s.since(time.Time{})["n"]; len(rs) == 0 || rs[len(rs)-1].verb != "get" {
			t.Errorf("an object without an owner was written: %v", rs)
		}
		s.set(func() { noNode = nil })
		time.Sleep(10 * time.Minute)
		if rs := s.since(time.Time{})["n"]; len(rs) == 0 || rs[len(rs)-1].verb != "get" {
			t.Errorf("an object without an owner's UID was written: %v", rs)
		}
		s.set(func() { uid = "u" })
		time.Sleep(10 * time.Minute)
		if s.object("n") == nil {
			t.Error("nothing was written in the end")
		}
		cancel()
		running.Wait()
		got := log.String()
		for _, want := range []string{errDown.Error(), "no Node n", errNoNode.Error(), "written again"} {
			if strings.Count(got, want) != 1 {
				t.Errorf("%q is not once in the log:\n%s", want, got)
			}
		}
	})
}

func TestMode(t *testing.T) {
	var m Mode
	for _, s := range []string{"Full", "Summary", "Off"} {
		if err := m.Set(s); err != nil || m.String() != s {
			t.Errorf("%s: %v", s, err)
		}
	}
	if err := m.Set("full"); err == nil || m != Off {
		t.Errorf("%v, %v", err, m)
	}
}

// TestLines: what is programmed is written as lines, but for an API server whose
// definition of reports is older and drops them: that costs one more request, once.
func TestLines(t *testing.T) {
	for _, older := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t)
			s.older = older
			ctx, cancel := context.WithCancel(t.Context())
			a := &agent{node: "n", changed: make(chan struct{}, 1), made: time.Now(), traffic: 10}
			var running sync.WaitGroup
			running.Go(func() { _ = a.writer(s, Full).Start(ctx) })
			time.Sleep(10 * interval)
			cancel()
			running.Wait()
			wrote, again := 0, 0
			for _, r := range s.since(time.Time{})["n"][2:] {
				if wrote++; r.at.Equal(s.requests[1].at) {
					again++
				}
			}
			want := 1
			if older {
				want = 0
			}
			if s.lines != want || again != 1-want || wrote < 8 {
				t.Errorf("older: %v: %d lines, %d requests after the first report, %d at once", older, s.lines, wrote, again)
			}
			if o := s.object("n"); len(o.Status.Routes) != 1 || o.Status.Routes[0].Counters.Packets == 0 {
				t.Errorf("older: %v: the report is %+v", older, o.Status)
			}
		})
	}
}
