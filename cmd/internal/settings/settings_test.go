package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/smcroute/kube-smcroute/test/golden"
)

// options are of all types that programs use.
type options struct {
	Node       string
	Table      uint32
	Interval   time.Duration
	Namespaces []string
	Labels     map[string]string
	Pods       bool
}

func defined() (*Settings, *options) {
	var o options
	s := New("tester", "tests")
	k := s.Section("Kubernetes")
	k.StringVar(&o.Node, "node-name", "nobody", "`NAME` of this node")
	k.StringSliceVar(&o.Namespaces, "host-namespaces", []string{"kube-smcroute"}, "whose objects may name the node's interfaces")
	k.StringToStringVar(&o.Labels, "node-labels", nil, "of the node")
	k.BoolVar(&o.Pods, "pod-network-namespaces", false, "whether pods can be routers")
	r := s.Section("Routing")
	r.Var(UpTo(&o.Table, 999), "table", "the kernel's `ID` of the table")
	r.DurationVar(&o.Interval, "report-interval", 5*time.Minute, "time between reports")
	s.Env("node-name", "TEST_NODE_NAME")
	s.Env("table", "TEST_TABLE")
	return s, &o
}

func TestSources(t *testing.T) {
	defaults := options{Node: "nobody", Interval: 5 * time.Minute, Namespaces: []string{"kube-smcroute"}}
	with := func(f func(*options)) options {
		o := defaults
		f(&o)
		return o
	}
	for _, tt := range []struct {
		name, file string
		args       []string
		env        string // of TEST_NODE_NAME
		want       options
	}{
		{name: "defaults", want: defaults},
		{name: "a file of comments", file: "# node-name: x\n", want: defaults},
		{name: "environment", env: "e", want: with(func(o *options) { o.Node = "e" })},
		{name: "the file wins over the environment", env: "e", file: "node-name: f", want: with(func(o *options) { o.Node = "f" })},
		{name: "the command line wins over both", env: "e", file: "node-name: f", args: []string{"--node-name=c"}, want: with(func(o *options) { o.Node = "c" })},
		{
			name: "all types", file: "table: 7\nreport-interval: 10s\npod-network-namespaces: true\nhost-namespaces: [a, b]\nnode-labels: {site: studio, rack: 7}\n",
			want: options{Node: "nobody", Table: 7, Interval: 10 * time.Second, Pods: true, Namespaces: []string{"a", "b"}, Labels: map[string]string{"site": "studio", "rack": "7"}},
		},
		{name: "lists as on the command line", file: "host-namespaces: a,b", want: with(func(o *options) { o.Namespaces = []string{"a", "b"} })},
		{name: "an empty list", file: "host-namespaces: []", want: with(func(o *options) { o.Namespaces = []string{} })},
		{
			name: "lists are not united", file: "host-namespaces: [a, b]\nnode-labels: {a: b}", args: []string{"--host-namespaces=c", "--node-labels", "c=d"},
			want: with(func(o *options) { o.Namespaces = []string{"c"}; o.Labels = map[string]string{"c": "d"} }),
		},
		{name: "a number that looks like a name", file: "node-name: 0017", want: with(func(o *options) { o.Node = "0017" })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("TEST_NODE_NAME", tt.env)
			s, o := defined()
			args := tt.args
			if tt.file != "" {
				path := filepath.Join(t.TempDir(), "c.yaml")
				if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
					t.Fatal(err)
				}
				args = append(args, "--config", path)
			}
			if asked, err := s.Parse(args); err != nil || asked != Nothing {
				t.Fatal(asked, err)
			}
			if tt.want.Labels == nil {
				tt.want.Labels = map[string]string{}
			}
			if o.Labels == nil {
				o.Labels = map[string]string{}
			}
			if d := cmp.Diff(tt.want, *o); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestAsked(t *testing.T) {
	for arg, want := range map[string]Asked{"--help": Help, "-h": Help, "--version": Version} {
		s, _ := defined()
		if asked, err := s.Parse([]string{arg}); asked != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", arg, asked, err, want)
		}
	}
}

// TestErrors: a file in testdata for each, with "args", or with "config", and
// the error.
func TestErrors(t *testing.T) {
	golden.Test(t, func(t *testing.T, in *txtar.Archive) []txtar.File {
		s, _ := defined()
		var err error
		for _, f := range in.Files {
			text := string(f.Data)
			switch f.Name {
			case "args":
				_, err = s.Parse(strings.Fields(text))
			case "env":
				t.Setenv("TEST_TABLE", strings.TrimSpace(text))
				_, err = s.Parse(nil)
			case "agent.yaml":
				if _, err := s.Parse(nil); err != nil {
					t.Fatal(err)
				}
				err = s.apply("agent.yaml", text)
			}
		}
		if err == nil {
			t.Fatal("no error")
		}
		return []txtar.File{{Name: "error", Data: []byte(err.Error() + "\n")}}
	})
}

func TestFileThatCannotBeRead(t *testing.T) {
	s, _ := defined()
	if _, err := s.Parse([]string{"--config=/nonexistent"}); err == nil || !strings.Contains(err.Error(), "/nonexistent: no such file") {
		t.Errorf("%v", err)
	}
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(strings.Repeat("#", maxFile+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _ = defined()
	if _, err := s.Parse([]string{"--config", path}); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("%v", err)
	}
}

func TestUsage(t *testing.T) {
	s, _ := defined()
	if _, err := s.Parse([]string{"-h"}); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	s.Usage(&b, 80)
	for _, want := range []string{"tester tests.", "Kubernetes:\n", "--node-name NAME", "$TEST_NODE_NAME", "Routing:\n", "--config FILE"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("table: 7\nhost-namespaces: [a, b]\nnode-labels: {a: b}")
	f.Add("a: &x [*x]\n<<: *x")
	f.Add("---\n---\n")
	f.Add("node-labels: {? [a] : b}")
	f.Fuzz(func(t *testing.T, text string) {
		s, _ := defined()
		if _, err := s.Parse(nil); err != nil {
			t.Fatal(err)
		}
		if err := s.apply("f", text); err != nil && !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("no file in %q", err)
		}
	})
}
