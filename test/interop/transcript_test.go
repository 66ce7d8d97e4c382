package interop

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smcroute/kube-smcroute/test/interop/program"
)

// lineNumber is how our client begins a message about a line of a batch.
var lineNumber = regexp.MustCompile("line [0-9]+:")

// markerLine is a line of a listing about a marker.
var markerLine = regexp.MustCompile(`(?m)^\((192\.0\.2\.254, 239\.255\.0|2001:db8::ffff, ff1e:ffff:):?[.0-9a-f]+\) .*\n`)

// step is a call of smcroutectl, and packets sent after it.
type step struct {
	args  string // split at blanks
	stdin string
	flows []flow
	own   bool // prints a text of the client's own, of which only the place is compared
}

// difference is one that is wanted: in the transcript of a step old becomes
// new. A step of "" is any.
type difference struct {
	step     string
	old, new string
	why      string
}

// transcript is what each step gave, by its arguments, which are unique.
type transcript map[string]string

// run carries out steps and writes down all that can be seen of them.
func (l *lab) run(client program.Programs, steps []step) transcript {
	l.t.Helper()
	said := transcript{}
	for _, s := range steps {
		r := l.control(client, s.stdin, strings.Fields(s.args)...)
		switch s.args {
		case "reload": // SMCRoute's only begins
			if _, err := l.daemon.Reloaded(patience); err != nil {
				l.t.Fatal(err)
			}
		}
		text := fmt.Sprintf("exit code %d\n", r.Code)
		if r.Stdout != "" {
			text += "stdout:\n"
			if !s.own {
				text += markerLine.ReplaceAllString(r.Stdout, "")
			}
		}
		if r.Stderr != "" {
			text += "stderr:\n"
			if !s.own {
				text += lineNumber.ReplaceAllString(r.Stderr, "line N:")
			}
		}
		if s.flows != nil {
			text += "packets:\n" + list(l.send(s.flows...))
		}
		if _, ok := said[s.args]; ok {
			l.t.Fatalf("two steps %q", s.args)
		}
		said[s.args] = text
	}
	return said
}

// with returns the transcript with differences applied. Each must apply.
func (said transcript) with(t *testing.T, differences []difference) transcript {
	t.Helper()
	out := transcript{}
	used := make([]bool, len(differences))
	for step, text := range said {
		for i, d := range differences {
			if (d.step == step || d.step == "") && strings.Contains(text, d.old) {
				used[i] = true
				text = strings.ReplaceAll(text, d.old, d.new)
			}
		}
		out[step] = text
	}
	for i, d := range differences {
		if !used[i] {
			t.Errorf("step %q: no longer has %q, so the difference does not apply (%s)", d.step, d.old, d.why)
		}
	}
	return out
}

// compare reports steps that gave something else than wanted.
func compare(t *testing.T, steps []step, want, got transcript) {
	t.Helper()
	for _, s := range steps {
		if want[s.args] != got[s.args] {
			t.Errorf("smcroutectl %s (-want +got):\n%s", s.args, cmp.Diff(strings.Split(want[s.args], "\n"), strings.Split(got[s.args], "\n")))
		}
	}
}
