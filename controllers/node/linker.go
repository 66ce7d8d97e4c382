package node

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// linker looks up the links of pods, round after round.
//
// The network of a pod that is being deleted is gone before the pod is, and its
// address may be another pod's before the API server hears of that. So such a pod
// keeps the link that it had, and gets no other: what is meant for it must not
// reach who has its address next, nor must that one's packets count as its own.
type linker struct {
	links Links // nil: pods cannot be ends
	had   map[podAddr]translate.Link
}

// podAddr is an address of a pod.
type podAddr struct {
	uid  string
	addr netip.Addr
}

// link fills in the links of those pods that a route may have as ends.
func (l *linker) link(pods []translate.Pod, routes []v1alpha1.MulticastRoute) {
	if l.links == nil {
		return
	}
	ends := withPodEnds(routes)
	lookUp := l.links.Round()
	has := make(map[podAddr]translate.Link, len(l.had))
	for i := range pods {
		p := &pods[i]
		if p.HostNetwork || !ends[p.Namespace] {
			continue
		}
		p.Links = make(map[netip.Addr]translate.Link, len(p.IPs))
		for _, a := range p.IPs {
			key := podAddr{p.UID, a}
			before, known := l.had[key]
			var link translate.Link
			var err error
			link.Name, link.Index, err = lookUp(a)
			if known && p.Leaving {
				has[key] = before
				if err == nil && link != before {
					err = fmt.Errorf("it is being deleted, and %v is on %s by now, which may be another's", a, link.Name)
				}
			}
			if err != nil {
				if p.Why == "" {
					p.Why = err.Error()
				}
				continue
			}
			p.Links[a], has[key] = link, link
		}
	}
	l.had = has
}

// withPodEnds are the namespaces of routes whose ends are pods.
func withPodEnds(routes []v1alpha1.MulticastRoute) map[string]bool {
	ends := map[string]bool{}
	for i := range routes {
		r := &routes[i]
		isPods := func(o v1alpha1.RouteOutput) bool { return o.Pods != nil }
		if r.Spec.From.Pods != nil || slices.ContainsFunc(r.Spec.To, isPods) {
			ends[r.Namespace] = true
		}
	}
	return ends
}
