package translate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// podIndex finds pods by namespace and labels.
type podIndex struct {
	in    map[string][]*Pod   // by namespace
	label map[podLabel][]*Pod // those with that label
}

type podLabel struct{ namespace, key, value string }

// newPodIndex leaves the pods where they are. Every list in it is by name.
func newPodIndex(pods []Pod) podIndex {
	x := podIndex{in: make(map[string][]*Pod), label: make(map[podLabel][]*Pod)}
	sorted := make([]*Pod, len(pods))
	for i := range pods {
		sorted[i] = &pods[i]
	}
	slices.SortFunc(sorted, func(a, b *Pod) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name), strings.Compare(a.UID, b.UID))
	})
	for _, p := range sorted {
		x.in[p.Namespace] = append(x.in[p.Namespace], p)
		for k, v := range p.Labels {
			l := podLabel{p.Namespace, k, v}
			x.label[l] = append(x.label[l], p)
		}
	}
	return x
}

// selected returns the pods of that namespace, and no other, that are selected.
func (x podIndex) selected(namespace string, s *metav1.LabelSelector) ([]*Pod, error) {
	sel, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return nil, err
	}
	pods := x.in[namespace]
	for k, v := range s.MatchLabels {
		if some := x.label[podLabel{namespace, k, v}]; len(some) < len(pods) {
			pods = some
		}
	}
	var found []*Pod
	for _, p := range pods {
		if sel.Matches(labels.Set(p.Labels)) {
			found = append(found, p)
		}
	}
	return found, nil
}

// end is one address of a pod, and the node's link to it.
type end struct {
	addr netip.Addr
	link mroute.IfPattern // pinned
}

// ends returns where the node reaches the pod in the family, and notes what is
// in the way otherwise.
func ends(p *Pod, f mroute.Family, ps *problems) []end {
	if p.HostNetwork {
		ps.add(p, "it uses the node's network, so that no link leads to it")
		return nil
	}
	var es []end
	has := false
	for _, a := range p.IPs {
		a = a.Unmap().WithZone("")
		if mroute.FamilyOf(a) != f || a.IsMulticast() || a.IsUnspecified() {
			continue
		}
		has = true
		if l, ok := p.Links[a]; ok && l.Name != "" {
			es = append(es, end{a, mroute.Pinned(l.Name, l.Index)})
		} else {
			ps.add(p, cmp.Or(p.Why, "the node has no link of its own to "+a.String()))
		}
	}
	if !has {
		ps.add(p, fmt.Sprintf("it has no %v address", f))
	}
	return es
}

// problems are those with the pods of one object.
type problems struct {
	said map[string]string // by pod
	pods []string          // in order
}

// add notes the first problem with a pod.
func (ps *problems) add(p *Pod, why string) {
	name := p.Namespace + "/" + p.Name
	if _, ok := ps.said[name]; ok {
		return
	}
	if ps.said == nil {
		ps.said = make(map[string]string)
	}
	ps.said[name] = why
	ps.pods = append(ps.pods, name)
}

// list tells of some pods, and how many others there are.
func (ps *problems) list() []Rejection {
	var list []Rejection
	for i, name := range ps.pods {
		if i == maxProblems {
			list = append(list, notReachable(fmt.Sprintf("and %d more pods", len(ps.pods)-i)))
			break
		}
		list = append(list, notReachable("pod "+name+": "+ps.said[name]))
	}
	return list
}

func notReachable(message string) Rejection {
	return Rejection{v1alpha1.ReasonPodNotReachable, message}
}
