package equivalence

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// line is an mroute or mgroup line, and as such an object.
type line struct {
	join          bool
	from          string
	source, group string // source "" is any
	to            []string
}

var (
	lineLinks   = "eth0 eth1 eth2 br0"
	linePattern = rapid.SampledFrom([]string{"eth0", "eth1", "eth2", "br0", "eth+", "+", "gone0"})
	lineMatches = rapid.SampledFrom([][2]string{
		{"10.0.0.1", "225.1.1.1"}, {"10.0.0.2", "225.1.1.1"}, {"10.0.0.1", "225.1.1.2"},
		{"", "225.1.1.1"}, {"10.0.0.0/24", "225.1.1.1"}, {"10.0.0.1", "225.1.0.0/16"}, {"", "225.1.1.0/30"},
		{"2001:db8::1", "ff0e::1"}, {"", "ff0e::1"}, {"2001:db8::/64", "ff0e::/112"},
	})
	joinMatches = rapid.SampledFrom([][2]string{{"10.0.0.1", "225.1.1.1"}, {"", "225.1.1.0/30"}, {"10.0.0.0/30", "225.1.1.1"}, {"", "ff0e::1"}})
	lineFlows   = "10.0.0.1 225.1.1.1\n10.0.0.2 225.1.1.1\n10.0.0.1 225.1.1.2\n10.9.9.9 225.1.1.1\n2001:db8::1 ff0e::1\n2001:db8:9::1 ff0e::1\n"
)

func drawLine(t *rapid.T) line {
	l := line{from: linePattern.Draw(t, "from")}
	if l.join = rapid.IntRange(0, 3).Draw(t, "join") == 0; l.join {
		m := joinMatches.Draw(t, "match")
		l.source, l.group = m[0], m[1]
		return l
	}
	m := lineMatches.Draw(t, "match")
	l.source, l.group = m[0], m[1]
	for range rapid.IntRange(0, 3).Draw(t, "outputs") {
		if o := linePattern.Draw(t, "to"); (o != l.from || strings.HasSuffix(o, "+")) && !slices.Contains(l.to, o) {
			l.to = append(l.to, o)
		}
	}
	return l
}

func (l line) conf() string {
	word := "mroute"
	if l.join {
		word = "mgroup"
	}
	s := fmt.Sprintf("%s from %s group %s", word, l.from, l.group)
	if l.source != "" {
		s += " source " + l.source
	}
	if len(l.to) > 0 {
		s += " to " + strings.Join(l.to, " ")
	}
	return s + "\n"
}

func conflines(ls []line) string {
	var b strings.Builder
	for _, l := range ls {
		b.WriteString(l.conf())
	}
	return b.String()
}

// objects makes the i-th line the i-th oldest object.
func objects(ls []line) translate.Input {
	in := translate.Input{HostNamespaces: []string{"*"}}
	for i, l := range ls {
		meta := metav1.ObjectMeta{Namespace: "a", Name: fmt.Sprint(i), CreationTimestamp: metav1.NewTime(time.Unix(int64(i), 0))}
		var sources []v1alpha1.Address
		if l.source != "" {
			sources = []v1alpha1.Address{v1alpha1.Address(l.source)}
		}
		groups := []v1alpha1.Address{v1alpha1.Address(l.group)}
		if l.join {
			g := v1alpha1.MulticastGroup{ObjectMeta: meta}
			g.Spec.Interface, g.Spec.Sources, g.Spec.Groups = v1alpha1.Interface(l.from), sources, groups
			in.Groups = append(in.Groups, g)
			continue
		}
		r := v1alpha1.MulticastRoute{ObjectMeta: meta}
		r.Spec.From.Interface, r.Spec.Sources, r.Spec.Groups = v1alpha1.Interface(l.from), sources, groups
		if l.source == "" {
			r.Spec.AnySource = v1alpha1.LearnAnySource // as lines do
		}
		for _, o := range l.to {
			r.Spec.To = append(r.Spec.To, v1alpha1.RouteOutput{Interface: v1alpha1.Interface(o)})
		}
		in.Routes = append(in.Routes, r)
	}
	return in
}

// accepted leaves out the lines whose objects conflict with others.
func accepted(t *rapid.T, ls []line) []line {
	gone := make(map[string]bool)
	for _, o := range translate.Translate(objects(ls)).Objects {
		if o.Rejection != nil {
			if o.Rejection.Reason != v1alpha1.ReasonConflicted {
				t.Fatalf("%s: %s", o.Ref(), o.Rejection.Message)
			}
			gone[o.Name] = true
		}
	}
	var rest []line
	for i, l := range ls {
		if !gone[fmt.Sprint(i)] {
			rest = append(rest, l)
		}
	}
	return rest
}

// cover is a line that covers a flow on a link, and what smcrouted makes of that
// line alone.
type cover struct {
	line
	exact   bool
	outputs []string
}

func covering(t failer, w world, ls []line, sg mroute.SG, in mroute.Link) []cover {
	var cs []cover
	for _, l := range ls {
		alone := w.plan(parseConf(t, l.conf()))
		e, ok := alone.Entry(sg, in.Index, alone.vifs)
		if ok && e.Kind != mroute.StopFilter && alone.vifs.Link(e.IIF) == in.Index {
			cs = append(cs, cover{l, e.Kind == mroute.Static, alone.outputs(e)})
		}
	}
	return cs
}

// union is what the lines come to: the outputs of all, unless all the exact ones
// say to stop.
func union(cs []cover, in mroute.Link) string {
	kind, stops := mroute.Learned, true
	for _, c := range cs {
		if c.exact {
			kind = mroute.Static
			stops = stops && len(c.to) == 0
		}
	}
	var outs []string
	for _, c := range cs {
		if kind == mroute.Learned || !stops {
			outs = append(outs, c.outputs...)
		}
	}
	slices.Sort(outs)
	return describe(kind, in, slices.Compact(outs))
}

// describe leaves the inbound link out: an object never sends what another one
// covers back to where it came from, a line may.
func describe(kind mroute.EntryKind, in mroute.Link, outs []string) string {
	outs = slices.DeleteFunc(slices.Clone(outs), func(o string) bool { return o == in.Name })
	return fmt.Sprintf("%v %s -> %s", kind, in.Name, strings.Join(outs, " "))
}

// oneMatch reports whether no two lines with different matches cover the flow.
func oneMatch(cs []cover) bool {
	return !slices.ContainsFunc(cs, func(c cover) bool { return c.source != cs[0].source || c.group != cs[0].group })
}

// TestObjectsUniteWhatLinesSay compares the plan of the objects with what
// smcrouted makes of each line alone. For every flow on every link the outputs
// are those of all lines that cover it, unless the exact ones among them say to
// stop. Where lines of one match alone cover a flow, the file and the objects
// agree in full.
func TestObjectsUniteWhatLinesSay(t *testing.T) {
	w := newWorld(lineLinks)
	flows := flowsOf(t, lineFlows)
	rapid.Check(t, func(t *rapid.T) {
		ls := accepted(t, rapid.SliceOfN(rapid.Custom(drawLine), 0, 8).Draw(t, "lines"))
		text := conflines(ls)
		file := w.plan(parseConf(t, text))
		kube := w.plan(layerOf(t, translate.Translate(objects(ls))))
		if f, k := file.joins(), kube.joins(); f != k {
			t.Fatalf("the file joins %s, the objects %s\n%s", f, k, text)
		}
		if f, k := file.interfaces(), kube.interfaces(); f != k {
			t.Fatalf("the file needs %s, the objects %s\n%s", f, k, text)
		}
		for _, sg := range flows {
			for _, in := range append(world{{}}, w...) {
				cs := covering(t, w, ls, sg, in)
				f, k := file.entry(sg, in.Index), kube.entry(sg, in.Index)
				if e, ok := kube.Entry(sg, in.Index, kube.vifs); ok && e.Kind != mroute.StopFilter {
					iif, _ := kube.Link(kube.vifs.Link(e.IIF))
					if len(cs) > 0 && iif != in {
						t.Fatalf("%v on %s is covered, but comes from %s\n%s", sg, in.Name, iif.Name, text)
					}
					want := union(covering(t, w, ls, sg, iif), iif)
					if got := describe(e.Kind, iif, kube.outputs(e)); got != want {
						t.Fatalf("%v on %q: %s, want %s\n%s", sg, in.Name, got, want, text)
					}
				} else if len(cs) > 0 || f != k {
					t.Fatalf("%v on %q: %s by the file, %s by the objects\n%s", sg, in.Name, f, k, text)
				}
				if len(cs) > 0 && oneMatch(cs) && f != k {
					t.Fatalf("%v on %q: %s by the file, %s by the objects\n%s", sg, in.Name, f, k, text)
				}
			}
		}
	})
}
