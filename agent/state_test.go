package agent_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/view"
)

func TestState(t *testing.T) {
	r := run(t, "mroute from a0 source 10.0.0.1 group 232.1.1.1 to a1\nmroute from gone group 232.1.1.2 to a1\n")
	s, err := askState(t, r.path("sock"))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Flows) != 1 || s.Flows[0].IIF != "a0" || s.Flows[0].Kind != view.Static || s.Flows[0].Origins[0].Line != 1 {
		t.Errorf("flows: %+v", s.Flows)
	}
	if len(s.Pending) != 1 || s.Pending[0].Cause != "no_interface" || s.Pending[0].IIF != "gone" {
		t.Errorf("pending: %+v", s.Pending)
	}
}

// askState asks for the state, about some flows if there are words.
func askState(t *testing.T, socket string, words ...string) (s view.State, err error) {
	t.Helper()
	client, err := ipc.Dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var text bytes.Buffer
	if err := client.Do(t.Context(), ipc.Request{Command: ipc.State, Args: words}, &text); err != nil {
		return s, err
	}
	if err := json.Unmarshal(text.Bytes(), &s); err != nil {
		t.Fatalf("%v in %s", err, text.String())
	}
	return s, nil
}

// Who asks about some flows hears of those, and how much there is in all. Without words,
// as of a client that is older, it is all.
func TestStateAbout(t *testing.T) {
	r := run(t, "mroute from a0 source 10.0.0.1 group 232.1.1.1 to a1\nmroute from a0 source 10.0.0.1 group 232.1.1.2 to a1\nmroute from gone group 232.1.1.2 to a1\n")
	for _, tt := range []struct {
		words                 string
		rules, flows, pending int
	}{
		{"", 2, 2, 1}, {"232.1.1.1", 1, 1, 0}, {"* 232.1.1.2", 1, 1, 1}, {"10.0.0.2 232.1.0.0/16", 0, 0, 1}, {"ff15::1", 0, 0, 0},
	} {
		s, err := askState(t, r.path("sock"), strings.Fields(tt.words)...)
		rules, flows := s.InAll()
		if err != nil || len(s.Rules) != tt.rules || len(s.Flows) != tt.flows || len(s.Pending) != tt.pending || len(s.Links) < 2 || rules != 3 || flows != 2 {
			t.Errorf("%q: %v, %+v", tt.words, err, s)
		}
	}
	_, err := askState(t, r.path("sock"), "10.0.0.1")
	if want := "10.0.0.1 is no multicast group, 224.0.0.0/4 or ff00::/8"; err == nil || err.Error() != want {
		t.Errorf("of a group that is none: %v, want %s", err, want)
	}
}
