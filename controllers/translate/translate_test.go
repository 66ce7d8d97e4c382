package translate_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// The world is small, so that objects, pods and flows meet.
var (
	namespaces = rapid.SampledFrom([]string{"red", "blue"})
	apps       = rapid.SampledFrom([]string{"cam", "tv"})
	interfaces = rapid.SampledFrom([]v1alpha1.Interface{"eth0", "eth1", "eth2", "eth+", "cali1", "cali+", "cni0", "+"})
	senders    = []v1alpha1.Address{"10.0.0.1", "10.0.0.2", "10.0.0.0/24", "0.0.0.0/0", "2001:db8::1", "bad"}
	receivers  = []v1alpha1.Address{"225.1.1.1", "225.1.1.2", "225.1.0.0/16", "ff0e::1", "10.0.0.1"}
)

func drawInput(t *rapid.T) translate.Input {
	in := translate.Input{
		Node:                 &corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"site": "a"}}},
		HostNamespaces:       []string{"red"},
		PodNetworkNamespaces: rapid.Bool().Draw(t, "pod namespaces"),
		MainTable:            rapid.SampledFrom([]uint32{0, 0, 7}).Draw(t, "main table"),
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "pods") {
		in.Pods = append(in.Pods, drawPod(t, i))
	}
	for i := range rapid.IntRange(0, 8).Draw(t, "routes") {
		in.Routes = append(in.Routes, drawRoute(t, i))
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "groups") {
		g := v1alpha1.MulticastGroup{ObjectMeta: drawMeta(t, i)}
		g.Spec.NetworkNamespace = drawNamespace(t)
		g.Spec.Interface = interfaces.Draw(t, "interface")
		g.Spec.Groups = []v1alpha1.Address{rapid.SampledFrom(receivers).Draw(t, "group")}
		in.Groups = append(in.Groups, g)
	}
	return in
}

// drawPod puts even ones behind a bridge.
func drawPod(t *rapid.T, i int) translate.Pod {
	p := translate.Pod{
		Namespace: namespaces.Draw(t, "namespace"), Name: fmt.Sprintf("p%d", i), UID: fmt.Sprintf("uid%d", i),
		Labels:      map[string]string{"app": apps.Draw(t, "app")},
		HostNetwork: rapid.IntRange(0, 5).Draw(t, "host network") == 0,
		Links:       map[netip.Addr]translate.Link{},
	}
	link := translate.Link{Name: "cni0", Index: 5}
	if i%2 == 1 {
		link = translate.Link{Name: fmt.Sprintf("cali%d", i), Index: 10 + i}
	}
	for _, a := range []string{fmt.Sprintf("10.0.0.%d", i), fmt.Sprintf("2001:db8::%d", i)} {
		ip := netip.MustParseAddr(a)
		p.IPs = append(p.IPs, ip)
		if rapid.IntRange(0, 4).Draw(t, "no link") > 0 {
			p.Links[ip] = link
		}
	}
	return p
}

func drawMeta(t *rapid.T, i int) metav1.ObjectMeta {
	age := time.Unix(int64(rapid.IntRange(0, 2).Draw(t, "age")), 0)
	return metav1.ObjectMeta{Namespace: namespaces.Draw(t, "namespace"), Name: fmt.Sprintf("o%d", i), CreationTimestamp: metav1.NewTime(age)}
}

func drawNamespace(t *rapid.T) v1alpha1.NetworkNamespace {
	if rapid.IntRange(0, 3).Draw(t, "in pods") > 0 {
		return v1alpha1.NetworkNamespace{}
	}
	return v1alpha1.NetworkNamespace{Type: v1alpha1.PodNamespace, PodSelector: drawSelector(t)}
}

func drawSelector(t *rapid.T) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": apps.Draw(t, "app")}}
}

func drawRoute(t *rapid.T, i int) v1alpha1.MulticastRoute {
	r := v1alpha1.MulticastRoute{ObjectMeta: drawMeta(t, i)}
	s := &r.Spec
	s.NetworkNamespace = drawNamespace(t)
	if rapid.IntRange(0, 5).Draw(t, "elsewhere") == 0 {
		s.NodeSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"site": "b"}}
	}
	s.Join = rapid.Bool().Draw(t, "join")
	if rapid.Bool().Draw(t, "from pods") {
		s.From.Pods = drawSelector(t)
	} else {
		s.From.Interface = interfaces.Draw(t, "from")
		s.Sources = rapid.SliceOfN(rapid.SampledFrom(senders), 0, 2).Draw(t, "sources")
	}
	s.Groups = rapid.SliceOfN(rapid.SampledFrom(receivers), 1, 2).Draw(t, "groups")
	for range rapid.IntRange(0, 3).Draw(t, "outputs") {
		o := v1alpha1.RouteOutput{TTLThreshold: rapid.SampledFrom([]int32{0, 2, 9}).Draw(t, "ttl")}
		if rapid.Bool().Draw(t, "to pods") {
			o.Pods = drawSelector(t)
		} else {
			o.Interface = interfaces.Draw(t, "to")
		}
		s.To = append(s.To, o)
	}
	return r
}

// diff compares results in full, but for how much room there is between numbers.
func diff(a, b translate.Result) string {
	return cmp.Diff(inOne(a), inOne(b), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}))
}

// inOne has each layer in one piece, with its lines numbered without gaps.
func inOne(r translate.Result) translate.Result {
	one := translate.Result{Objects: r.Objects, Layers: make(map[translate.Router]mroute.Layer)}
	for at, l := range r.Layers {
		whole := mroute.Layer{Name: l.Name, FirstMatch: l.FirstMatch}
		var lines []*int
		for rt := range l.AllRoutes() {
			whole.Routes = append(whole.Routes, *rt)
		}
		for j := range l.AllJoins() {
			whole.Joins = append(whole.Joins, *j)
		}
		for i := range whole.Routes {
			lines = append(lines, &whole.Routes[i].Origin.Seq)
		}
		for i := range whole.Joins {
			lines = append(lines, &whole.Joins[i].Origin.Seq)
		}
		slices.SortFunc(lines, func(a, b *int) int { return *a - *b })
		for i := range lines {
			*lines[i] = i + 1
		}
		one.Layers[at] = whole
	}
	return one
}

func TestOrderOfInputDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		want := translate.Translate(in)
		in.Pods = rapid.Permutation(in.Pods).Draw(t, "pods")
		in.Routes = rapid.Permutation(in.Routes).Draw(t, "routes")
		in.Groups = rapid.Permutation(in.Groups).Draw(t, "groups")
		if d := diff(want, translate.Translate(in)); d != "" {
			t.Fatal(d)
		}
	})
}

// TestRejectedObjectsDoNotMatter leaves one out: the others get the same, and be
// it their rejection.
func TestRejectedObjectsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		all := translate.Translate(in)
		for i, o := range all.Objects {
			if o.Rejection == nil {
				continue
			}
			is := func(kind translate.Kind, m metav1.ObjectMeta) bool {
				return o.Ref() == translate.Object{Kind: kind, Namespace: m.Namespace, Name: m.Name}.Ref()
			}
			less := in
			less.Routes = slices.DeleteFunc(slices.Clone(in.Routes), func(r v1alpha1.MulticastRoute) bool { return is(translate.RouteKind, r.ObjectMeta) })
			less.Groups = slices.DeleteFunc(slices.Clone(in.Groups), func(g v1alpha1.MulticastGroup) bool { return is(translate.GroupKind, g.ObjectMeta) })
			want := all
			want.Objects = slices.Delete(slices.Clone(all.Objects), i, i+1)
			if d := diff(want, translate.Translate(less)); d != "" {
				t.Fatalf("without %s:\n%s", o.Ref(), d)
			}
		}
	})
}

// TestLayersKeepTheRules looks at all rows.
func TestLayersKeepTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		res := translate.Translate(in)
		podsOf := make(map[string]map[mroute.IfPattern]bool) // namespace -> links of its pods
		host := make(map[string]bool)                        // pods on the node's network
		namespace := make(map[string]string)
		for _, p := range in.Pods {
			namespace[p.UID], host[p.UID] = p.Namespace, p.HostNetwork
			for _, l := range p.Links {
				if !p.HostNetwork {
					links := podsOf[p.Namespace]
					if links == nil {
						links = make(map[mroute.IfPattern]bool)
						podsOf[p.Namespace] = links
					}
					links[mroute.Pinned(l.Name, l.Index)] = true
				}
			}
		}
		if _, ok := res.Layers[translate.Router{Table: in.MainTable}]; !ok {
			t.Error("the agent's own router has no layer")
		}
		for at, l := range res.Layers {
			if l.FirstMatch || l.Name != translate.LayerName {
				t.Errorf("%v: layer %s, first match %v", at, l.Name, l.FirstMatch)
			}
			if at.PodUID != "" && (host[at.PodUID] || !in.PodNetworkNamespaces) {
				t.Errorf("%v: no place for a router", at)
			}
			seq := 0
			for r := range l.AllRoutes() {
				if r.Origin.Seq <= seq {
					t.Errorf("%v: %v is not in order", at, r)
				}
				seq = r.Origin.Seq
				checkEnd(t, at, r.Origin, r.From, podsOf, namespace)
				for _, o := range r.To {
					if plain := !o.If.IsWildcard() && !r.From.IsWildcard(); plain && o.If.Name() == r.From.Name() {
						t.Errorf("%v: %v goes out where it came in", at, r)
					}
					checkEnd(t, at, r.Origin, o.If, podsOf, namespace)
				}
			}
			for j := range l.AllJoins() {
				checkEnd(t, at, j.Origin, j.If, podsOf, namespace)
			}
		}
		checkObjects(t, res)
	})
}

// checkEnd holds objects to their namespace: pods of the same, and the node's
// interfaces only where that is allowed.
func checkEnd(t *rapid.T, at translate.Router, by mroute.Origin, p mroute.IfPattern, podsOf map[string]map[mroute.IfPattern]bool, namespace map[string]string) {
	ns, _, _ := strings.Cut(by.Ref[strings.Index(by.Ref, " ")+1:], "/")
	_, pinned := p.Pin()
	switch {
	case at.PodUID != "" && (pinned || namespace[at.PodUID] != ns):
		t.Errorf("%v: %v has %s in a pod of %s", at, by, p, namespace[at.PodUID])
	case at.PodUID != "":
	case pinned && !podsOf[ns][p]:
		t.Errorf("%v: %v has %s, which leads to no pod of its namespace", at, by, p)
	case !pinned && ns != "red":
		t.Errorf("%v: %v has %s, an interface of the node", at, by, p)
	}
}

// checkObjects looks whether what is told of the objects agrees with the layers.
func checkObjects(t *rapid.T, res translate.Result) {
	where := make(map[string][]translate.Router)
	for at, l := range res.Layers {
		refs := make(map[string]bool)
		for r := range l.AllRoutes() {
			refs[r.Origin.Ref] = true
		}
		for j := range l.AllJoins() {
			refs[j.Origin.Ref] = true
		}
		for ref := range refs {
			where[ref] = append(where[ref], at)
		}
	}
	for _, o := range res.Objects {
		in := where[o.Ref()]
		if len(in) != len(o.Routers) || o.Rejection != nil && len(in)+len(o.Problems) > 0 {
			t.Errorf("%+v is in %v", o, in)
		}
		for _, at := range o.Routers {
			if !slices.Contains(in, at) {
				t.Errorf("%+v is in %v", o, in)
			}
		}
		delete(where, o.Ref())
	}
	if len(where) > 0 {
		t.Errorf("in layers, but no objects: %v", slices.Collect(maps.Keys(where)))
	}
}

// TestPodsThatGoTakeOnlyTheirOutputs removes a pod: the rules of other inputs
// keep the rest of their outputs, and no rule appears.
func TestPodsThatGoTakeOnlyTheirOutputs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		if len(in.Pods) == 0 {
			return
		}
		before := flowsOf(translate.Translate(in))
		i := rapid.IntRange(0, len(in.Pods)-1).Draw(t, "gone")
		gone := in.Pods[i]
		in.Pods = slices.Delete(in.Pods, i, i+1)
		after := translate.Translate(in)
		for _, o := range after.Objects {
			if o.Rejection != nil {
				return // it may have lost to a route that is there only now
			}
		}
		links := make(map[string]bool)
		for _, l := range gone.Links {
			links[string(mroute.Pinned(l.Name, l.Index))] = true
		}
		now := flowsOf(after)
		for f := range now {
			if !before[f] {
				t.Errorf("%v appeared", f)
			}
		}
		for f := range before {
			ofPod := f.at.PodUID == gone.UID || links[f.output] || slices.Contains(gone.IPs, f.match.Source.Addr())
			if !now[f] && !ofPod {
				t.Errorf("%v is gone with %+v", f, gone)
			}
		}
	})
}

// flow is one output of one rule.
type flow struct {
	at     translate.Router
	ref    string
	from   mroute.IfPattern
	match  mroute.Match
	output string
}

func flowsOf(res translate.Result) map[flow]bool {
	fs := make(map[flow]bool)
	for at, l := range res.Layers {
		for r := range l.AllRoutes() {
			for _, o := range r.To {
				fs[flow{at, r.Origin.Ref, r.From, r.Match, string(o.If)}] = true
			}
		}
	}
	return fs
}

// TestNothingPanics gives it what no API server would let through.
func TestNothingPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		word := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "/", "::/0", "0.0.0.0", "ff00::/8", "224.0.0.0/4", "1.2.3.4/33", "eth0/1"}))
		for i := range in.Routes {
			s := &in.Routes[i].Spec
			s.Groups = append(s.Groups, v1alpha1.Address(word.Draw(t, "group")))
			s.Sources = append(s.Sources, v1alpha1.Address(word.Draw(t, "source")))
			s.From.Interface = v1alpha1.Interface(word.Draw(t, "from"))
			s.Table = rapid.Int32().Draw(t, "table")
			s.NetworkNamespace.Type = v1alpha1.NetworkNamespaceType(word.Draw(t, "type"))
		}
		for i := range in.Groups {
			in.Groups[i].Spec.Groups = nil
		}
		for i := range in.Pods {
			in.Pods[i].IPs = append(in.Pods[i].IPs, netip.Addr{}, netip.IPv6Unspecified(), netip.MustParseAddr("::ffff:10.0.0.1"))
			in.Pods[i].Links = nil
		}
		in.Node = nil
		translate.Translate(in)
	})
}
