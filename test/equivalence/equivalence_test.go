// Package equivalence holds the proof that a smcroute.conf and the Kubernetes
// objects that say the same come to the same plan, and where they do not.
package equivalence

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/smcroute/kube-smcroute/agent/conf"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
	"github.com/smcroute/kube-smcroute/test/golden"
)

// TestPairs reads each testdata/*.txtar: a smcroute.conf, the objects.yaml that
// say the same, links, and flows to ask about. What differs between the two must
// be in "differences"; for most pairs there is none.
func TestPairs(t *testing.T) {
	golden.Test(t, func(t *testing.T, in *txtar.Archive) []txtar.File {
		files := map[string]string{}
		for _, f := range in.Files {
			files[f.Name] = string(f.Data)
		}
		w := newWorld(files["links"])
		flows := flowsOf(t, files["flows"])
		file := w.answers(parseConf(t, files["smcroute.conf"]), flows)
		objects := w.answers(layerOf(t, translate.Translate(readObjects(t, files["objects.yaml"]))), flows)
		return []txtar.File{{Name: "differences", Data: []byte(differences(file, objects))}}
	})
}

// world is a set of links, all multicast capable.
type world []mroute.Link

func newWorld(names string) world {
	var w world
	for i, name := range strings.Fields(names) {
		w = append(w, mroute.Link{Index: i + 1, Name: name, Up: true, Multicast: true})
	}
	return w
}

// answer is a question to a plan, and what it says.
type answer struct{ question, says string }

// answers asks for the links that need a VIF, for the memberships, and for the
// entry of each flow on each link, and where it is not known to arrive.
func (w world) answers(l mroute.Layer, flows []mroute.SG) []answer {
	p := w.plan(l)
	as := []answer{{"interfaces", p.interfaces()}, {"joins", p.joins()}}
	for _, sg := range flows {
		as = append(as, answer{fmt.Sprintf("%v, not seen yet", sg), p.entry(sg, 0)})
		for _, l := range w {
			as = append(as, answer{fmt.Sprintf("%v on %s", sg, l.Name), p.entry(sg, l.Index)})
		}
	}
	return as
}

// resolved is a plan with VIFs.
type resolved struct {
	*plan.Resolver
	vifs *plan.VIFs
}

func (w world) plan(l mroute.Layer) resolved {
	in := plan.NewIntent()
	in.SetLayer(l)
	r := resolved{plan.NewResolver(in, w), &plan.VIFs{}}
	for i, l := range r.WantVIFs() {
		r.vifs.Set(mroute.VIF(i), l.Index)
	}
	return r
}

// interfaces are those with a VIF. One number is as good as another.
func (r resolved) interfaces() string {
	var names []string
	for _, l := range r.WantVIFs() {
		names = append(names, l.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// entry is "static eth0 -> eth1 eth2:4", by name.
func (r resolved) entry(sg mroute.SG, arrival int) string {
	e, ok := r.Entry(sg, arrival, r.vifs)
	if !ok {
		return "nothing"
	}
	in, _ := r.Link(r.vifs.Link(e.IIF))
	outs := r.outputs(e)
	if len(outs) == 0 {
		outs = []string{"nowhere"}
	}
	return fmt.Sprintf("%v %s -> %s", e.Kind, in.Name, strings.Join(outs, " "))
}

func (r resolved) outputs(e mroute.Entry) []string {
	var outs []string
	for n, th := range e.OIFs {
		if th == 0 {
			continue
		}
		l, _ := r.Link(r.vifs.Link(mroute.VIF(n)))
		if th > 1 {
			l.Name += fmt.Sprintf(":%d", th)
		}
		outs = append(outs, l.Name)
	}
	slices.Sort(outs)
	return outs
}

func (r resolved) joins() string {
	var js []string
	r.Joins(func(m plan.Membership) bool {
		l, _ := r.Link(m.Ifindex)
		js = append(js, fmt.Sprintf("%s %v", l.Name, m.SG))
		return true
	})
	slices.Sort(js)
	return strings.Join(slices.Compact(js), "; ")
}

func differences(file, objects []answer) string {
	var b strings.Builder
	for i, f := range file {
		if o := objects[i]; f != o {
			fmt.Fprintf(&b, "%s\n  file:       %s\n  kubernetes: %s\n", f.question, f.says, o.says)
		}
	}
	return b.String()
}

func parseConf(t failer, text string) mroute.Layer {
	t.Helper()
	l, diags := conf.Parse(conf.Source{Name: "smcroute.conf", Text: text}, conf.Options{})
	for _, d := range diags {
		if d.Severity == conf.Error {
			t.Fatalf("%v in\n%s", d, text)
		}
	}
	return l
}

// failer is a [testing.T] or one of rapid's.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// readObjects reads documents of kind MulticastRoute and MulticastGroup, which
// may name interfaces.
func readObjects(t failer, text string) translate.Input {
	t.Helper()
	in := translate.Input{HostNamespaces: []string{"*"}}
	for _, doc := range bytes.Split([]byte(text), []byte("\n---\n")) {
		var r v1alpha1.MulticastRoute
		var g v1alpha1.MulticastGroup
		err := yaml.UnmarshalStrict(doc, &r)
		switch {
		case err == nil && r.Kind == string(translate.RouteKind):
			in.Routes = append(in.Routes, r)
		case yaml.UnmarshalStrict(doc, &g) == nil && g.Kind == string(translate.GroupKind):
			in.Groups = append(in.Groups, g)
		default:
			t.Fatalf("%v in\n%s", err, doc)
		}
	}
	return in
}

// layerOf is the one layer of a result without rejections.
func layerOf(t failer, r translate.Result) mroute.Layer {
	t.Helper()
	for _, o := range r.Objects {
		if o.Rejection != nil {
			t.Fatalf("%s: %s", o.Ref(), o.Rejection.Message)
		}
	}
	if len(r.Layers) != 1 {
		t.Fatalf("%d layers, want one", len(r.Layers))
	}
	return r.Layers[translate.Router{}]
}

// flowsOf reads "source group" lines.
func flowsOf(t failer, text string) []mroute.SG {
	t.Helper()
	l := "mgroup from x source %s group %s\n"
	var flows []mroute.SG
	for line := range strings.Lines(text) {
		s, g, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			t.Fatalf("flow %q: want a source and a group", line)
		}
		flows = append(flows, parseConf(t, fmt.Sprintf(l, s, g)).Joins[0].Match.SG())
	}
	return flows
}

// TestSamePlanTwice keeps answers from hiding that something differs.
func TestSamePlanTwice(t *testing.T) {
	w := newWorld("eth0 eth1")
	flows := flowsOf(t, "10.0.0.1 225.1.1.1")
	a := w.answers(parseConf(t, "mroute from eth0 group 225.1.1.1 to eth1\nmgroup from eth0 group 225.1.1.1\n"), flows)
	want := []answer{
		{"interfaces", "eth0 eth1"},
		{"joins", "eth0 (*, 225.1.1.1)"},
		{"(10.0.0.1, 225.1.1.1), not seen yet", "nothing"},
		{"(10.0.0.1, 225.1.1.1) on eth0", "learned eth0 -> eth1"},
		{"(10.0.0.1, 225.1.1.1) on eth1", "stop-filter eth1 -> nowhere"},
	}
	if d := cmp.Diff(want, a, cmp.AllowUnexported(answer{})); d != "" {
		t.Error(d)
	}
}
