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

// pod is a pod, and what it is as an end.
type pod struct {
	*Pod
	ends map[mroute.Family][]end
	why  map[mroute.Family]string // why it is none, or not with all addresses
}

// end is one address of a pod, and the node's link to it.
type end struct {
	addr netip.Addr
	link mroute.IfPattern // pinned
}

func newPod(p *Pod) *pod {
	n := &pod{Pod: p, ends: make(map[mroute.Family][]end), why: make(map[mroute.Family]string)}
	for _, f := range mroute.Families {
		n.ends[f], n.why[f] = endsOf(p, f)
	}
	return n
}

// endsOf returns where the node reaches the pod in the family, or why it doesn't.
func endsOf(p *Pod, f mroute.Family) (es []end, why string) {
	if p.HostNetwork {
		return nil, "it uses the node's network, so that no link leads to it"
	}
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
			why = cmp.Or(p.Why, "the node has no link of its own to "+a.String())
		}
	}
	if !has {
		why = fmt.Sprintf("it has no %v address", f)
	}
	return es, why
}

// podIndex finds pods by namespace and selector.
type podIndex struct {
	in    map[string][]*pod // by namespace, in order of name
	found map[selection][]*pod
}

// selection is a selector that was asked for, as text.
type selection struct{ namespace, selector string }

func newPodIndex(pods []Pod) *podIndex {
	x := &podIndex{in: make(map[string][]*pod), found: make(map[selection][]*pod)}
	sorted := make([]*Pod, len(pods)) // the caller's stay as they are
	for i := range pods {
		sorted[i] = &pods[i]
	}
	slices.SortFunc(sorted, func(a, b *Pod) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name), strings.Compare(a.UID, b.UID))
	})
	for _, p := range sorted {
		x.in[p.Namespace] = append(x.in[p.Namespace], newPod(p))
	}
	return x
}

// selected returns the pods of that namespace, and no other, that are selected.
func (x *podIndex) selected(namespace string, s *metav1.LabelSelector) ([]*pod, error) {
	sel, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return nil, err
	}
	asked := selection{namespace, sel.String()}
	found, ok := x.found[asked]
	if !ok {
		for _, p := range x.in[namespace] {
			if sel.Matches(labels.Set(p.Labels)) {
				found = append(found, p)
			}
		}
		x.found[asked] = found
	}
	return found, nil
}

// problems are those with the pods of one object.
type problems struct {
	said map[string]string // by pod
	pods []string          // in order
}

// add notes the first problem with a pod, if there is one.
func (ps *problems) add(p *pod, why string) {
	if why == "" || p.Leaving {
		return
	}
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
