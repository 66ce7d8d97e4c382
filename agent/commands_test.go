package agent_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/ipc"
)

const oneRoute = "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0\n"

// Commands through the socket are in the kernel when their reply comes.
func TestCommands(t *testing.T) {
	r := run(t, oneRoute)
	is(t, "from the file", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
	r.must(ipc.Add, "a0", "10.0.0.1", "225.1.1.1", "b1")
	is(t, "add", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0 b1")
	r.must(ipc.Remove, "a0", "10.0.0.1", "225.1.1.1", "b0")
	is(t, "remove an output", r.out("a0", "10.0.0.1", "225.1.1.1"), "b1")
	r.must(ipc.Remove, "a0", "10.0.0.1", "225.1.1.1")
	is(t, "remove", r.out("a0", "10.0.0.1", "225.1.1.1"), "-")
	r.must(ipc.Join, "a0", "10.0.0.1", "232.1.1.1")
	is(t, "join", fmt.Sprint(r.host.Memberships("a0")), "[(10.0.0.1, 232.1.1.1)]")
	r.must(ipc.Leave, "a0", "10.0.0.1", "232.1.1.1")
	is(t, "leave", len(r.host.Memberships("a0")), 0)
	r.must(ipc.Reload)
	is(t, "reload", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
	is(t, "reloads", r.reloaded.Load(), 1)
}

// A wish that cannot be met is refused with a sentence that names it, and
// nothing else happens.
func TestRefusals(t *testing.T) {
	r := run(t, oneRoute)
	for _, tt := range []struct {
		cmd  ipc.Command
		args string
		want []string // in the text
	}{
		{ipc.Remove, "a0 10.0.0.1 225.9.9.9", []string{"no such multicast route", "(10.0.0.1, 225.9.9.9)", "a0"}},
		{ipc.Remove, "a1 10.0.0.1 225.1.1.1", []string{"no such multicast route", "a1"}},
		{ipc.Remove, "a0 10.0.0.1 225.1.1.1 b1", []string{"(10.0.0.1, 225.1.1.1)", "b1"}},
		{ipc.Leave, "a0 225.9.9.9", []string{"no such group membership", "(*, 225.9.9.9)", "a0"}},
		{ipc.Add, "a0 10.0.0.1 225.1.1.1/99 b0", []string{"225.1.1.1", "99"}},
		{ipc.Add, "a0 10.0.0.1 ff05::1 b0", []string{"10.0.0.1", "ff05::1"}},
		{ipc.Add, "a0 225.1.1.1 to b0", []string{`no interface "to"`, "word of smcroute.conf", "from IIF [source SOURCE] group GROUP to OIF..."}},
		{ipc.Add, "from 225.1.1.1 b0", []string{`no interface "from"`}},
		{ipc.Join, "source 225.1.1.1", []string{`no interface "source"`, "GROUP, or all words of a line: from IIF [source SOURCE] group GROUP"}},
		{ipc.Remove, "a0 225.1.1.1 to b0", []string{"a0"}},
		{ipc.Add, "a0 10.0.0.1", []string{"10.0.0.1"}},
		{ipc.Join, "a0 10.0.0.1", []string{"10.0.0.1"}},
		{ipc.Join, "a0", []string{"no group"}},
		{ipc.Add, "a0 :: :: 65536 b0", []string{"65536"}},
	} {
		_, err := r.do(tt.cmd, strings.Fields(tt.args)...)
		var refusal *ipc.Refusal
		if !errors.As(err, &refusal) {
			t.Errorf("%v %s: %v, want a refusal", tt.cmd, tt.args, err)
			continue
		}
		for _, w := range tt.want {
			if !strings.Contains(refusal.Text, w) {
				t.Errorf("%v %s: %q does not say %q", tt.cmd, tt.args, refusal.Text, w)
			}
		}
	}
	is(t, "the route", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
}

// An interface may be called like a word of a file.
func TestInterfaceCalledTo(t *testing.T) {
	r := run(t, "")
	r.host.AddLink("to")
	r.await("the router to know the interface", func() bool {
		return slices.Contains(strings.Fields(r.must(ipc.Show, "interfaces")), "to")
	})
	r.must(ipc.Add, "a0", "10.0.0.1", "225.1.1.1", "to", "b0")
	is(t, "add", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0 to")
	r.must(ipc.Join, "from", "a0", "group", "225.1.1.1")
	is(t, "join", fmt.Sprint(r.host.Memberships("a0")), "[(*, 225.1.1.1)]")
	r.must(ipc.Leave, "a0", "225.1.1.1")
	is(t, "leave", len(r.host.Memberships("a0")), 0)
}

func TestShow(t *testing.T) {
	r := run(t, oneRoute+"mroute from a0 group 225.2.0.0/16 to b0 ghost\nmgroup from a0 group 225.3.3.3\n")
	r.host.Send("a0", flow("10.0.0.7", "225.2.2.2"), 64, r.host.Now())
	for _, tt := range []struct {
		cmd  ipc.Command
		args []string
		want []string
	}{
		{ipc.Show, nil, []string{"(*, 225.2.0.0/16)", "(10.0.0.1, 225.1.1.1)", "(10.0.0.7, 225.2.2.2)"}},
		{ipc.Show, []string{"groups"}, []string{"(*, 225.3.3.3)"}},
		{ipc.Show, []string{"i"}, []string{"lo", "a0", "N/A"}},
		{ipc.Show, []string{"pending"}, []string{"mroute  from a0 group 225.2.0.0/16 to b0 ghost"}},
		{ipc.ShowDetail, nil, []string{"PACKETS", " 100 "}},
		{ipc.ShowJSON, nil, []string{`"source":"10.0.0.1","group":"225.1.1.1","iif":"a0","oifs":["b0"]`}},
	} {
		r.await(fmt.Sprintf("%v %v to say %q", tt.cmd, tt.args, tt.want), func() bool {
			text := r.must(tt.cmd, tt.args...)
			for _, w := range tt.want {
				if !strings.Contains(text, w) {
					return false
				}
			}
			return true
		})
	}
}

func TestFlush(t *testing.T) {
	r := run(t, "mroute from a0 group 225.1.1.1 to b0\n")
	r.host.Send("a0", flow("10.0.0.1", "225.1.1.1"), 64, r.host.Now())
	r.await("the flow to be learned", func() bool { return r.out("a0", "10.0.0.1", "225.1.1.1") == "b0" })
	r.must(ipc.Flush)
	is(t, "after one flush", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
	r.must(ipc.Flush)
	is(t, "after two", r.out("a0", "10.0.0.1", "225.1.1.1"), "-")
}

// Kill tells the program to end; the client has its reply.
func TestKill(t *testing.T) {
	r := run(t, "")
	r.must(ipc.Kill)
	is(t, "asked to end", r.killed.Load(), 1)
	is(t, "still answering", len(r.must(ipc.Show)), 0)
}
