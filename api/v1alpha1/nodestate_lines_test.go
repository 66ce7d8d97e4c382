package v1alpha1_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

var whole = v1alpha1.MulticastNodeStateStatus{
	ReportTime:   metav1.Time{Time: time.Unix(1_800_000_000, 0)},
	AgentVersion: "1",
	Summary:      v1alpha1.NodeSummary{Routes: 5, Failed: 1, VIFs: 2, Flows: 3},
	Routes: []v1alpha1.ObjectState{
		{
			Namespace: "ns", Name: "a", UID: "u-1", Generation: 3, Reason: v1alpha1.ReasonProgrammed,
			Counters: &v1alpha1.Counters{Packets: 5, Bytes: 500, WrongInterface: 1, Flows: 2, LastUpdateTime: &metav1.Time{Time: time.Unix(1_800_000_001, 0)}},
			Flows: []v1alpha1.Flow{
				{Source: "192.0.2.1", Group: "232.1.1.1", From: "eth0", To: []string{"eth1", "b=1"}, Packets: 4},
				{Source: "*", Group: "ff0e::1", From: "eth0", Packets: 1},
			},
		},
		{Namespace: "ns", Name: "idle", Reason: v1alpha1.ReasonProgrammed, Counters: &v1alpha1.Counters{}},
		{Namespace: "ns", Name: "plain", Reason: v1alpha1.ReasonProgrammed},
		{Namespace: "ns", Name: "failing", UID: "u-2", Generation: 1, Reason: v1alpha1.ReasonInterfaceNotFound, Message: "no interface eth9", Counters: &v1alpha1.Counters{}},
		{Namespace: "ns", Name: "odd", Reason: v1alpha1.ReasonProgrammed, Flows: []v1alpha1.Flow{{Source: "192.0.2.1", Group: "232.1.1.2", From: "eth0", To: []string{"a,b"}}}},
		{Namespace: "ns", Name: "told", Reason: v1alpha1.ReasonProgrammed, Message: "no pod that it selects runs on this node"},
	},
	Groups: []v1alpha1.ObjectState{{Namespace: "ns", Name: "g", UID: "u-3", Generation: 2, Reason: v1alpha1.ReasonProgrammed}},
}

// What is programmed is lines in JSON, and is there again when it is read.
func TestReportsArePacked(t *testing.T) {
	before := whole.DeepCopy()
	packed := whole.Packed()
	want := []string{
		"ns/a uid=u-1 generation=3 packets=5 bytes=500 wrongInterface=1 flows=2 updated=2027-01-15T08:00:01Z" +
			" flow=192.0.2.1,232.1.1.1,eth0,4,eth1,b=1 flow=*,ff0e::1,eth0,1",
		"ns/idle flows=0",
		"ns/plain",
	}
	if got := strings.Join(packed.ProgrammedRoutes, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("lines:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
	if len(packed.Routes) != 3 || len(packed.Groups) != 0 || len(packed.ProgrammedGroups) != 1 {
		t.Errorf("%+v", packed)
	}
	if !apiequality.Semantic.DeepEqual(*before, whole) {
		t.Errorf("packing has changed the report: %+v", whole)
	}
	if got := read(t, packed); !apiequality.Semantic.DeepEqual(got, whole) {
		t.Errorf("read again: %+v", got)
	}
	if got := read(t, whole); !apiequality.Semantic.DeepEqual(got, whole) {
		t.Errorf("one without lines: %+v", got)
	}
}

func read(t *testing.T, s v1alpha1.MulticastNodeStateStatus) v1alpha1.MulticastNodeStateStatus {
	t.Helper()
	var o v1alpha1.MulticastNodeState
	text, err := json.Marshal(&v1alpha1.MulticastNodeState{Status: s})
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o.Status
}

// FuzzReport: a node that was taken over cannot keep reports from being read, and
// what was read is the same when it is packed and read again.
func FuzzReport(f *testing.F) {
	f.Add("ns/a uid=u generation=1 packets=5 flow=192.0.2.1,232.1.1.1,eth0,4,eth1")
	f.Add("ns/a later=word bytes=x")
	f.Add("/ =")
	f.Add("ns/a flow=,,,")
	f.Add("ns/a updated=2027-01-15T08:00:01.5+01:00")
	f.Fuzz(func(t *testing.T, line string) {
		got := read(t, v1alpha1.MulticastNodeStateStatus{ProgrammedRoutes: []string{line}})
		for i := range got.Routes {
			if c := got.Routes[i].Counters; c != nil && c.LastUpdateTime != nil {
				c.LastUpdateTime.Time = c.LastUpdateTime.Truncate(time.Second) // as all times of the API
			}
		}
		if again := read(t, got.Packed()); !apiequality.Semantic.DeepEqual(again, got) {
			t.Errorf("%q: %+v, and again %+v", line, got, again)
		}
	})
}
