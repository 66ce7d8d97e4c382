package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/view"
)

func TestState(t *testing.T) {
	r := run(t, "mroute from a0 source 10.0.0.1 group 232.1.1.1 to a1\nmroute from gone group 232.1.1.2 to a1\n")
	client, err := ipc.Dial(context.Background(), r.path("sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var text bytes.Buffer
	if err := client.Do(context.Background(), ipc.Request{Command: ipc.State}, &text); err != nil {
		t.Fatal(err)
	}
	var s view.State
	if err := json.Unmarshal(text.Bytes(), &s); err != nil {
		t.Fatalf("%v in %s", err, text.String())
	}
	if len(s.Flows) != 1 || s.Flows[0].IIF != "a0" || s.Flows[0].Kind != view.Static || s.Flows[0].Origins[0].Line != 1 {
		t.Errorf("flows: %+v", s.Flows)
	}
	if len(s.Pending) != 1 || s.Pending[0].Cause != "no_interface" || s.Pending[0].IIF != "gone" {
		t.Errorf("pending: %+v", s.Pending)
	}
}
