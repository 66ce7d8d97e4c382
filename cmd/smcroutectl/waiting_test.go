package main

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/ipc"
)

// waitingState is one in which what clients added waits, and other things do.
const waitingState = `{"pending":[
{"kind":"mroute","group":"225.1.2.3","iif":"a1","cause":"no_interface","reason":"no interface a\u001b2","origin":{"ref":"client"}},
{"kind":"mroute","group":"225.1.2.4","iif":"here0","cause":"no_interface","reason":"nobody asks","origin":{"ref":"client"}},
{"kind":"mroute","group":"225.1.2.3","iif":"a2","cause":"no_interface","reason":"another inbound interface","origin":{"ref":"client"}},
{"kind":"mroute","source":"10.0.0.1","group":"225.1.2.3","iif":"a1","cause":"no_interface","reason":"another source","origin":{"ref":"client"}},
{"kind":"mgroup","group":"225.1.2.3","iif":"b1","cause":"no_interface","reason":"no interface b1","origin":{"ref":"client"}},
{"kind":"mgroup","group":"225.1.2.0/24","iif":"b1","cause":"in_progress","reason":"being joined","origin":{"ref":"client"}}]}`

// asker is a daemon that answers a request for its state so.
type asker struct {
	state string
	err   error
}

func (a asker) Handle(_ context.Context, req ipc.Request, out io.Writer) error {
	if req.Command != ipc.State {
		return nil
	}
	_, _ = io.WriteString(out, a.state)
	return a.err
}

// TestWaiting: what is added and waits is told, and is no error.
func TestWaiting(t *testing.T) {
	real := links
	links = func() ([]net.Interface, error) {
		return []net.Interface{{Index: 7, Name: "here0", Flags: net.FlagMulticast}, {Index: 8, Name: "b1"}}, nil
	}
	t.Cleanup(func() { links = real })
	for _, tt := range []struct {
		name, args, stdin string
		daemon            asker
		want              string
	}{
		{"a route", "add a1 225.1.2.3 a2", "", asker{state: waitingState}, "smcroutectl: waiting: no interface a?2\n"},
		{"as a line", "add from a1 group 225.1.2.3 to a2", "", asker{state: waitingState}, "smcroutectl: waiting: no interface a?2\n"},
		{"a membership", "join b1 225.1.2.3", "", asker{state: waitingState}, "smcroutectl: waiting: no interface b1\n"},
		{"one that is being joined", "join b1 225.1.2.0/24", "", asker{state: waitingState}, ""},
		{"whose interfaces are here", "add here0 225.1.2.4 here+", "", asker{state: waitingState}, ""},
		{"another one", "add a3 225.1.2.3 a2", "", asker{state: waitingState}, ""},
		{"what is removed", "remove a1 225.1.2.3", "", asker{state: waitingState}, ""},
		{"a batch", "-b", "add a1 225.1.2.3 a2\n", asker{state: waitingState}, ""},
		{"a daemon that knows nothing of it", "add a1 225.1.2.3 a2", "", asker{err: errors.New("unknown command")}, ""},
		{"or answers something else", "add a1 225.1.2.3 a2", "", asker{state: "OK"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "s")
			serve(t, socket, tt.daemon)
			got := runWith(t, tt.stdin, append([]string{"-u", socket}, strings.Fields(tt.args)...)...)
			if want := (result{0, "", tt.want}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}
