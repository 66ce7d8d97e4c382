package status

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
	"github.com/smcroute/kube-smcroute/test/golden"
)

// given is what a golden file has in its part "given".
type given struct {
	Route v1alpha1.MulticastRoute
	Nodes []struct {
		Name   string
		Labels map[string]string
		Silent bool
		Report *struct {
			Late  bool
			State *v1alpha1.ObjectState // nil: none of this route
		}
	}
}

// TestSummary: each file of testdata has a route, nodes and their reports, and
// the status that comes of them.
func TestSummary(t *testing.T) {
	golden.Test(t, func(t *testing.T, archive *txtar.Archive) []txtar.File {
		var in given
		if err := yaml.UnmarshalStrict(archive.Files[0].Data, &in); err != nil {
			t.Fatal(err)
		}
		in.Route.Namespace, in.Route.Name, in.Route.UID = "studio", "a", "uid-a"
		got, err := yaml.Marshal(summarised(&in))
		if err != nil {
			t.Fatal(err)
		}
		return []txtar.File{{Name: "status", Data: got}}
	})
}

func summarised(in *given) v1alpha1.MulticastRouteStatus {
	var index Index
	var nodes []Node
	for _, n := range in.Nodes {
		nodes = append(nodes, Node{Name: n.Name, Labels: n.Labels, Silent: n.Silent})
		if n.Report == nil {
			continue
		}
		due := start.Add(time.Minute)
		if n.Report.Late {
			due = start
		}
		r := reportOf(n.Name, due)
		if s := n.Report.State; s != nil {
			s.Namespace, s.Name = "studio", "a"
			if s.UID == "" {
				s.UID = "uid-a"
			}
			r.Status.Routes = append(r.Status.Routes, *s)
		}
		index.Set(r, start)
	}
	s, _ := SummariseRoute(&in.Route, nodes, &index, start)
	return s
}

func reportOf(node string, due time.Time, states ...v1alpha1.ObjectState) *v1alpha1.MulticastNodeState {
	return &v1alpha1.MulticastNodeState{
		ObjectMeta: metav1.ObjectMeta{Name: node},
		Status: v1alpha1.MulticastNodeStateStatus{
			ReportTime: metav1.NewTime(start.Add(-time.Minute)), NextReportTime: metav1.NewTime(due), Routes: states,
		},
	}
}

// TestSummaryProperties: whatever nodes report, the numbers of a status and its
// conditions agree with each other.
func TestSummaryProperties(t *testing.T) {
	reasons := slices.DeleteFunc(slices.Clone(telling), func(r string) bool {
		return r == anyOther || r == v1alpha1.ReasonNodeNotReporting || r == v1alpha1.ReasonNoMatchingNodes
	})
	rapid.Check(t, func(t *rapid.T) {
		route := &v1alpha1.MulticastRoute{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a", UID: "u", Generation: 2}}
		if rapid.Bool().Draw(t, "selector") {
			route.Spec.NodeSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"site": "x"}}
		}
		var index Index
		var nodes []Node
		var packets int64
		want := map[string]int{}
		for i := range rapid.IntRange(0, 12).Draw(t, "nodes") {
			n := Node{Name: fmt.Sprintf("n%02d", i), Silent: rapid.IntRange(0, 5).Draw(t, "silent") == 0, Labels: map[string]string{}}
			if rapid.Bool().Draw(t, "labelled") {
				n.Labels["site"] = "x"
			}
			if rapid.IntRange(0, 5).Draw(t, "windows") == 0 {
				n.Labels[corev1.LabelOSStable] = "windows"
			}
			nodes = append(nodes, n)
			s := v1alpha1.ObjectState{
				Namespace: "ns", Name: "a",
				UID:        rapid.SampledFrom([]string{"u", "u", "u", "old"}).Draw(t, "uid"),
				Generation: rapid.SampledFrom([]int64{2, 2, 2, 1}).Draw(t, "generation"),
				Reason:     rapid.SampledFrom(reasons).Draw(t, "reason"),
				Counters:   &v1alpha1.Counters{Packets: rapid.Int64Range(0, 100).Draw(t, "packets")},
			}
			kind := rapid.SampledFrom([]string{"none", "other", "late", "now", "now", "now"}).Draw(t, "report")
			due := start.Add(time.Minute)
			switch kind {
			case "late":
				due = start.Add(-time.Second)
				fallthrough
			case "now":
				index.Set(reportOf(n.Name, due, s), start)
			case "other":
				index.Set(reportOf(n.Name, due), start)
			}
			if !Selects(route.Spec.NodeSelector, n) {
				continue
			}
			if route.Spec.NodeSelector == nil && kind == "none" {
				want["absent"]++
				continue
			}
			if s.UID == "u" && (kind == "now" || kind == "late") {
				packets += s.Counters.Packets
				switch {
				case s.Generation != 2:
				case IsRejection(s.Reason):
					want["refused"]++
				default:
					want["told"]++
				}
			}
			switch {
			case n.Silent || kind == "none" || kind == "late":
				want["silent"]++
			case kind == "other" || s.UID != "u" || s.Generation != 2 || s.Reason == v1alpha1.ReasonPending:
				want["pending"]++
			case s.Reason == v1alpha1.ReasonProgrammed:
				want["programmed"]++
			case IsRejection(s.Reason):
				want["rejected"]++
			default:
				want["failed"]++
			}
		}
		s, again := SummariseRoute(route, nodes, &index, start)
		matched := want["silent"] + want["pending"] + want["programmed"] + want["rejected"] + want["failed"]
		failed := want["silent"] + want["rejected"] + want["failed"]
		if got := s.Nodes; int(got.Matched) != matched || int(got.Programmed) != want["programmed"] || int(got.Failed) != failed {
			t.Fatalf("%+v of %v", got, want)
		}
		if len(s.FailingNodes) != min(failed, maxFailing) {
			t.Fatalf("%d failing nodes of %v", len(s.FailingNodes), want)
		}
		if want := fmt.Sprintf("%d/%d", want["programmed"], matched); s.Summary.Programmed != want {
			t.Fatalf("summary %q, want %q", s.Summary.Programmed, want)
		}
		if s.Counters != nil && s.Counters.Packets != packets || s.Counters == nil && packets != 0 {
			t.Fatalf("counters %+v, want %d packets", s.Counters, packets)
		}
		seen := map[string]bool{}
		for _, f := range s.FailingNodes {
			if seen[f.Name] || f.Message == "" {
				t.Fatalf("failing nodes %+v", s.FailingNodes)
			}
			seen[f.Name] = true
		}
		accepted := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionAccepted)
		programmed := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionProgrammed)
		if len(s.Conditions) != 2 || accepted == nil || programmed == nil || accepted.ObservedGeneration != 2 || programmed.ObservedGeneration != 2 {
			t.Fatalf("conditions %+v", s.Conditions)
		}
		status := func(yes, no bool) metav1.ConditionStatus {
			switch {
			case no:
				return metav1.ConditionFalse
			case yes:
				return metav1.ConditionTrue
			}
			return metav1.ConditionUnknown
		}
		if want := status(want["told"] > 0, want["refused"] > 0); accepted.Status != want {
			t.Fatalf("Accepted is %s, want %s", accepted.Status, want)
		}
		if want := status(matched > 0 && want["programmed"] == matched, matched == 0 && want["absent"] == 0 || want["rejected"]+want["failed"] > 0); programmed.Status != want {
			t.Fatalf("Programmed is %s, want %s", programmed.Status, want)
		}
		if listening := matched - want["silent"]; (listening > 0) != !again.IsZero() {
			t.Fatalf("again at %v with %d nodes that are not silent", again, listening)
		}
		// A second time nothing is new.
		route.Status = *s.DeepCopy()
		later, _ := SummariseRoute(route, nodes, &index, start.Add(time.Second))
		for i, c := range later.Conditions {
			if c != s.Conditions[i] {
				t.Fatalf("%+v after %+v", c, s.Conditions[i])
			}
		}
	})
}

func TestGroup(t *testing.T) {
	g := &v1alpha1.MulticastGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a", UID: "u", Generation: 1}}
	var index Index
	r := reportOf("n1", start.Add(time.Minute))
	r.Status.Groups = []v1alpha1.ObjectState{{Namespace: "ns", Name: "a", UID: "u", Generation: 1, Reason: v1alpha1.ReasonProgrammed}}
	index.Set(r, start)
	s, again := SummariseGroup(g, []Node{{Name: "n1"}}, &index, start)
	if s.Summary.Programmed != "1/1" || !meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionProgrammed) || !again.Equal(start.Add(time.Minute)) {
		t.Errorf("%+v, again at %v", s, again)
	}
	if want := "The group is in the kernel of the selected node"; s.Conditions[1].Message != want {
		t.Errorf("message %q, want %q", s.Conditions[1].Message, want)
	}
	// A route of that name is something else.
	route := &v1alpha1.MulticastRoute{ObjectMeta: g.ObjectMeta}
	if s, _ := SummariseRoute(route, []Node{{Name: "n1"}}, &index, start); s.Nodes.Programmed != 0 {
		t.Errorf("%+v", s)
	}
}

func TestOutputs(t *testing.T) {
	pods := func(app string) v1alpha1.RouteOutput {
		return v1alpha1.RouteOutput{Pods: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}
	}
	iface := func(names ...string) (out []v1alpha1.RouteOutput) {
		for _, n := range names {
			out = append(out, v1alpha1.RouteOutput{Interface: v1alpha1.Interface(n)})
		}
		return out
	}
	for _, tt := range []struct {
		to   []v1alpha1.RouteOutput
		want string
	}{
		{nil, ""},
		{iface("eth1"), "eth1"},
		{append(iface("eth1", "eth2+"), pods("player")), "eth1, eth2+, pods app=player"},
		{[]v1alpha1.RouteOutput{{Pods: &metav1.LabelSelector{}}}, "all pods"},
		{iface("interface-00001", "interface-00002", "interface-00003", "interface-00004"), "interface-00001, interface-00002 +2"},
		{append([]v1alpha1.RouteOutput{pods(strings.Repeat("x", 60))}, iface("eth1")...), "pods app=" + strings.Repeat("x", 28) + "... +1"},
	} {
		if got := outputs(tt.to); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestIndex(t *testing.T) {
	state := func(name, reason string, packets int64) v1alpha1.ObjectState {
		return v1alpha1.ObjectState{Namespace: "ns", Name: name, UID: "u", Reason: reason, Counters: &v1alpha1.Counters{Packets: packets}}
	}
	a, b := Object{translate.RouteKind, "ns", "a"}, Object{translate.RouteKind, "ns", "b"}
	minute := start.Add(time.Minute)
	var x Index
	for _, step := range []struct {
		what string
		do   func() map[Object]Change
		want map[Object]Change
	}{
		{"first", func() map[Object]Change {
			return x.Set(reportOf("n1", minute, state("a", "Programmed", 1), state("b", "Pending", 1)), start)
		}, map[Object]Change{a: StateChanged, b: StateChanged}},
		{"same", func() map[Object]Change {
			return x.Set(reportOf("n1", minute, state("a", "Programmed", 1), state("b", "Pending", 1)), start)
		}, map[Object]Change{}},
		{"counters", func() map[Object]Change {
			return x.Set(reportOf("n1", minute, state("a", "Programmed", 2), state("b", "Pending", 1)), start)
		}, map[Object]Change{a: CountersChanged}},
		{"a reason, and one is gone", func() map[Object]Change {
			return x.Set(reportOf("n1", minute, state("b", "Programmed", 1)), start)
		}, map[Object]Change{a: StateChanged, b: StateChanged}},
		{"another node", func() map[Object]Change {
			return x.Set(reportOf("n2", minute, state("b", "Programmed", 1)), start)
		}, map[Object]Change{b: StateChanged}},
		{"back after silence", func() map[Object]Change {
			return x.Set(reportOf("n1", minute.Add(time.Hour), state("b", "Programmed", 1)), minute)
		}, map[Object]Change{b: StateChanged}},
		{"removed", func() map[Object]Change { return x.Remove("n1") }, map[Object]Change{b: StateChanged}},
		{"removed twice", func() map[Object]Change { return x.Remove("n1") }, map[Object]Change{}},
		{"removed too", func() map[Object]Change { return x.Remove("n2") }, map[Object]Change{b: StateChanged}},
	} {
		got := step.do()
		if fmt.Sprint(got) != fmt.Sprint(step.want) {
			t.Errorf("%s: %v, want %v", step.what, got, step.want)
		}
	}
	if len(x.objects) != 0 || len(x.nodes) != 0 || len(x.due) != 0 {
		t.Errorf("left: %v, %v", x.objects, x.nodes)
	}
}
