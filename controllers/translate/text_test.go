package translate_test

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// agentDoc is a document of kind Agent: its options.
type agentDoc struct {
	Kind                 string   `json:"kind"`
	Table                uint32   `json:"table"`
	HostNamespaces       []string `json:"hostNamespaces"`
	PodNetworkNamespaces bool     `json:"podNetworkNamespaces"`
}

// podDoc is a document of kind Pod: a pod, and the node's links to it as
// "name/ifindex", "" where there is none.
type podDoc struct {
	Kind        string            `json:"kind"`
	Metadata    metav1.ObjectMeta `json:"metadata"`
	HostNetwork bool              `json:"hostNetwork"`
	Leaving     bool              `json:"leaving"`
	Addresses   map[string]string `json:"addresses"`
	Why         string            `json:"why"`
}

func (d podDoc) pod(t testing.TB) translate.Pod {
	p := translate.Pod{
		Namespace: d.Metadata.Namespace, Name: d.Metadata.Name, UID: string(d.Metadata.UID), Labels: d.Metadata.Labels,
		HostNetwork: d.HostNetwork, Leaving: d.Leaving, Why: d.Why, Links: map[netip.Addr]translate.Link{},
	}
	for a, link := range d.Addresses {
		ip := netip.MustParseAddr(a)
		p.IPs = append(p.IPs, ip)
		if name, index, ok := strings.Cut(link, "/"); ok {
			n, err := strconv.Atoi(index)
			if err != nil {
				t.Fatal(err)
			}
			p.Links[ip] = translate.Link{Name: name, Index: n}
		}
	}
	slices.SortFunc(p.IPs, netip.Addr.Compare)
	return p
}

// parse reads documents of kind Agent, Node, Pod, MulticastRoute and
// MulticastGroup.
func parse(t testing.TB, data []byte) translate.Input {
	t.Helper()
	in := translate.Input{Node: &corev1.Node{}}
	for _, doc := range bytes.Split(data, []byte("\n---\n")) {
		var of metav1.TypeMeta
		if err := yaml.Unmarshal(doc, &of); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		read := func(into any) {
			if err := yaml.UnmarshalStrict(doc, into); err != nil {
				t.Fatalf("%v in\n%s", err, doc)
			}
		}
		switch of.Kind {
		case "Agent":
			var a agentDoc
			read(&a)
			in.MainTable, in.HostNamespaces, in.PodNetworkNamespaces = a.Table, a.HostNamespaces, a.PodNetworkNamespaces
		case "Node":
			read(in.Node)
		case "Pod":
			var p podDoc
			read(&p)
			in.Pods = append(in.Pods, p.pod(t))
		case string(translate.RouteKind):
			var r v1alpha1.MulticastRoute
			read(&r)
			in.Routes = append(in.Routes, r)
		case string(translate.GroupKind):
			var g v1alpha1.MulticastGroup
			read(&g)
			in.Groups = append(in.Groups, g)
		default:
			t.Fatalf("kind %q in\n%s", of.Kind, doc)
		}
	}
	return in
}

// text writes a result in full.
func text(r translate.Result) string {
	r = inOne(r)
	var b strings.Builder
	for _, o := range r.Objects {
		fmt.Fprintf(&b, "%s@%d", o.Ref(), o.Generation)
		if len(o.Routers) > 0 {
			var in []string
			for _, r := range o.Routers {
				in = append(in, routerText(r))
			}
			fmt.Fprintf(&b, " in %s", strings.Join(in, ", "))
		}
		b.WriteString("\n")
		if o.Rejection != nil {
			fmt.Fprintf(&b, "  rejected: %s: %s\n", o.Rejection.Reason, o.Rejection.Message)
		}
		for _, p := range o.Problems {
			fmt.Fprintf(&b, "  problem: %s: %s\n", p.Reason, p.Message)
		}
	}
	var routers []translate.Router
	for at := range r.Layers {
		routers = append(routers, at)
	}
	slices.SortFunc(routers, func(a, b translate.Router) int {
		return cmp.Or(cmp.Compare(a.PodUID, b.PodUID), cmp.Compare(a.Table, b.Table))
	})
	for _, at := range routers {
		b.WriteString(layerText(at, r.Layers[at]))
	}
	return b.String()
}

func routerText(r translate.Router) string {
	return strings.TrimSpace(fmt.Sprintf("table %d %s", r.Table, r.PodUID))
}

// layerText lists the layer in order of Seq.
func layerText(at translate.Router, l mroute.Layer) string {
	type row struct {
		seq  int
		text string
	}
	var rows []row
	for r := range l.AllRoutes() {
		to := " stop"
		for i, o := range r.To {
			to = strings.TrimPrefix(to, " stop") + []string{" -> ", " "}[min(i, 1)] + string(o.If)
			if o.Threshold > 0 {
				to += fmt.Sprintf(":%d", o.Threshold)
			}
		}
		if !r.Match.Source.IsValid() && r.Match.Group.IsSingleIP() {
			// Native where that is possible goes without saying.
			to += map[mroute.AnySource]string{mroute.NativeSources: " native", mroute.LearnSources: " learn"}[r.AnySource]
		}
		if r.MaxFlows > 0 {
			to += fmt.Sprintf(" flows %d", r.MaxFlows)
		}
		rows = append(rows, row{r.Origin.Seq, fmt.Sprintf("%s %v%s  # %v", r.From, r.Match, to, r.Origin)})
	}
	for j := range l.AllJoins() {
		rows = append(rows, row{j.Origin.Seq, fmt.Sprintf("join %s %v  # %v", j.If, j.Match, j.Origin)})
	}
	slices.SortFunc(rows, func(a, b row) int { return a.seq - b.seq })
	var b strings.Builder
	fmt.Fprintf(&b, "%s: layer %s first-match=%t\n", routerText(at), l.Name, l.FirstMatch)
	for _, r := range rows {
		fmt.Fprintf(&b, "  %d %s\n", r.seq, r.text)
	}
	return b.String()
}
