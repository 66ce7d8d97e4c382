package node

import (
	"cmp"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// LivePods are those of the pods that have addresses and have not ended. If two
// claim one address, it belongs to the one that is not being deleted, and then
// to the younger one: a network plug-in may give it away before the API server
// hears that its old owner is gone. A pod without an address left is not in the
// result.
func LivePods(pods []corev1.Pod) []translate.Pod {
	order := make([]*corev1.Pod, 0, len(pods))
	for i := range pods {
		if p := &pods[i]; !ended(p) {
			order = append(order, p)
		}
	}
	slices.SortFunc(order, func(a, b *corev1.Pod) int {
		return cmp.Or(
			compareBool(a.DeletionTimestamp != nil, b.DeletionTimestamp != nil),
			b.CreationTimestamp.Compare(a.CreationTimestamp.Time),
			cmp.Compare(a.Namespace, b.Namespace),
			cmp.Compare(a.Name, b.Name),
		)
	})
	taken := map[netip.Addr]bool{}
	var live []translate.Pod
	for _, p := range order {
		t := translate.Pod{
			Namespace: p.Namespace, Name: p.Name, UID: string(p.UID),
			Labels:      p.Labels,
			HostNetwork: p.Spec.HostNetwork,
			Leaving:     p.DeletionTimestamp != nil,
		}
		for _, a := range addresses(p) {
			// Pods in the host's network share its addresses.
			if !t.HostNetwork {
				if taken[a] {
					continue
				}
				taken[a] = true
			}
			t.IPs = append(t.IPs, a)
		}
		if len(t.IPs) > 0 {
			live = append(live, t)
		}
	}
	slices.SortFunc(live, func(a, b translate.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return live
}

// ended reports whether a pod has no containers any more, and so no network.
func ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// addresses are those of a pod, one for each family as a rule.
func addresses(p *corev1.Pod) (out []netip.Addr) {
	add := func(s string) {
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			if a = a.Unmap(); !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	for _, ip := range p.Status.PodIPs {
		add(ip.IP)
	}
	add(p.Status.PodIP)
	return out
}
