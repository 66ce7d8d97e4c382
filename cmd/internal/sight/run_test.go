package sight

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/smcroute/kube-smcroute/agent/draw"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// newRun is a verb with these options, and a router that says what look returns.
func newRun(t *testing.T, v Verb, look func(n int) (*view.State, error), args ...string) (*Run, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	n := 0
	r := &Run{Stdout: &out, Look: func(context.Context) ([]draw.Router, error) {
		n++
		s, err := look(n)
		return []draw.Router{{State: s}}, err
	}}
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	r.Flags(fs, v, false)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return r, &out
}

// state is one flow with so many packets of 1000 bytes, as of now.
func state(packets uint64) *view.State {
	s := &view.State{Time: time.Now().UTC()}
	f := view.Flow{Kind: view.Learned, IIF: "a", OIFs: []string{"b"}, Traffic: view.Traffic{Packets: packets, Bytes: 1000 * packets}}
	if err := f.Group.UnmarshalText([]byte("232.1.1.1")); err != nil {
		panic(err)
	}
	s.Flows = []view.Flow{f}
	return s
}

// TestTopInBlocks: the first block comes when there is a rate.
func TestTopInBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, out := newRun(t, Top, func(n int) (*view.State, error) { return state(uint64(n * n * 100)), nil }, "-d", "2", "-n", "2")
		if err := r.Do(t.Context(), Top); err != nil {
			t.Fatal(err)
		}
		want := `00:00:02  1 flow, 1 running  150 pps  1.20Mbit/s
PPS  BIT/S  SOURCE  GROUP      IIF  OIFS  KIND    PACKETS  WRONG-IF  IDLE
150  1.20M  *       232.1.1.1  a    b     native      400         0  0.0s

00:00:04  1 flow, 1 running  250 pps  2.00Mbit/s
PPS  BIT/S  SOURCE  GROUP      IIF  OIFS  KIND    PACKETS  WRONG-IF  IDLE
250  2.00M  *       232.1.1.1  a    b     native      900         0  0.0s
`
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// TestWatchGoesOn: a router that does not answer for a while is told of, and what
// changes meanwhile too, when it is back.
func TestWatchGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, out := newRun(t, Watch, func(n int) (*view.State, error) {
			switch n {
			case 1, 2:
				return state(1), nil
			case 3, 4:
				return nil, errors.New("daemon not running")
			}
			return &view.State{Time: time.Now().UTC()}, nil
		}, "-n", "6")
		if err := r.Do(t.Context(), Watch); err != nil {
			t.Fatal(err)
		}
		want := `00:00:00.000  watching    0 routes, 1 flow
00:00:02.000  no-answer   daemon not running
00:00:04.000  answers
00:00:04.000  gone        * -> 232.1.1.1  a -> b
`
		got := out.String()
		for line := range strings.Lines(want) {
			if !strings.Contains(got, strings.TrimSpace(line[12:])) {
				t.Errorf("no %q in\n%s", line[12:], got)
			}
		}
	})
}

// TestFirstLook: nothing is shown if the router cannot be asked at all.
func TestFirstLook(t *testing.T) {
	for _, v := range Verbs {
		r, out := newRun(t, v, func(int) (*view.State, error) { return nil, errors.New("no socket") })
		if err := r.Do(t.Context(), v); err == nil || err.Error() != "no socket" || out.Len() > 0 {
			t.Errorf("%s: %v, %q", v, err, out)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		verb Verb
		args string
		want string
	}{
		{Routes, "", ""},
		{Routes, "-o wide -r 2", ""},
		{Routes, "-o xml", `output format "xml", expected json, yaml or wide`},
		{Routes, "-r -1", "option --rate -1: expected 0.1 to 86400 seconds"},
		{Top, "-d NaN", "option --delay NaN: expected 0.1 to 86400 seconds"},
		{Watch, "-n -1", "option --count -1: expected 0 or more"},
		{Flows, "--silent 0", "option --silent 0: expected 0.1 to 86400 seconds"},
	} {
		r, _ := newRun(t, tt.verb, nil, strings.Fields(tt.args)...)
		got := ""
		if err := r.Check(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s %s: got %q, want %q", tt.verb, tt.args, got, tt.want)
		}
	}
}
