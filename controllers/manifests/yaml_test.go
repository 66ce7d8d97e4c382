package manifests

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	k8syaml "sigs.k8s.io/yaml"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// A report that is written object by object is read as what it was.
func TestMarshalReport(t *testing.T) {
	text := rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "- a", "a: b", "# a", " a\n\n  b\n", "a\nb", "\n", "|", "'", "\"", "{}", "1", "null", "\t", "  a\n b"}),
		rapid.StringMatching(`[ -~]{70,200}`), rapid.StringMatching("[a \n:#-]{0,30}"),
	)
	state := rapid.Custom(func(t *rapid.T) v1alpha1.ObjectState {
		s := v1alpha1.ObjectState{Namespace: "default", Name: "a", Reason: text.Draw(t, "reason"), Message: text.Draw(t, "message")}
		if rapid.Bool().Draw(t, "flows") {
			s.Flows = []v1alpha1.Flow{{Source: "*", Group: "232.1.1.1", From: text.Draw(t, "from"), To: rapid.SliceOfN(text, 0, 2).Draw(t, "to"), Packets: 7}}
			s.Counters = &v1alpha1.Counters{Packets: 7}
		}
		return s
	})
	rapid.Check(t, func(t *rapid.T) {
		report := v1alpha1.MulticastNodeStateStatus{
			AgentVersion: text.Draw(t, "version"), ReportTime: metav1.Unix(1_700_000_000, 0),
			Routes: rapid.SliceOfN(state, 0, 3).Draw(t, "routes"), Groups: rapid.SliceOfN(state, 0, 2).Draw(t, "groups"),
		}
		got, err := marshalReport("edge-1", &report)
		if err != nil {
			t.Fatal(err)
		}
		want, err := marshal("MulticastNodeState", map[string]any{"name": "edge-1"}, &report)
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if err := k8syaml.Unmarshal(got, &a); err != nil {
			t.Fatalf("%v in\n%s", err, got)
		}
		if err := k8syaml.Unmarshal(want, &b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b, a); diff != "" {
			t.Fatalf("%s\nin\n%s\nwant\n%s", diff, got, want)
		}
	})
}
