package translate

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// place says in which routers an object is programmed, their table aside: on the
// node, or in pods. ofNode says whether it names interfaces, or a table, which
// are the node's unless it is for pods.
func (x *expander) place(w *wish, ns *v1alpha1.NetworkNamespace, ofNode bool) ([]Router, *Rejection) {
	switch ns.Type {
	case v1alpha1.HostNamespace, "":
		if ns.PodSelector != nil {
			return nil, invalid(fmt.Errorf("spec.networkNamespace.podSelector: expected it only with type Pod"))
		}
		if ofNode && !x.hostPermitted(w.object.Namespace) {
			return nil, &Rejection{v1alpha1.ReasonHostInterfacesNotPermitted, fmt.Sprintf(
				"namespace %q may not name the node's interfaces and tables: add it to the agent's --host-namespaces, agent.hostNamespaces in the chart's values", w.object.Namespace)}
		}
		return []Router{{}}, nil
	case v1alpha1.PodNamespace:
		if !x.in.PodNetworkNamespaces {
			return nil, &Rejection{v1alpha1.ReasonPodNetworkNamespacesNotPermitted,
				"the agent may not work inside pods: start it with --pod-network-namespaces"}
		}
		return x.podRouters(w, ns.PodSelector)
	}
	return nil, invalid(fmt.Errorf("spec.networkNamespace.type: %q: expected Host or Pod", ns.Type))
}

func (x *expander) hostPermitted(namespace string) bool {
	return slices.Contains(x.in.HostNamespaces, namespace) || slices.Contains(x.in.HostNamespaces, "*")
}

// podRouters are the routers inside the selected pods. A pod on the node's
// network has no namespace of its own, and what is asked for inside it must not
// happen on the node.
func (x *expander) podRouters(w *wish, pods *metav1.LabelSelector) ([]Router, *Rejection) {
	const field = "spec.networkNamespace.podSelector"
	if pods == nil {
		return nil, invalid(fmt.Errorf("%s: expected one with type Pod; {} selects all pods of the namespace", field))
	}
	selected, err := x.selected(w, pods)
	if err != nil {
		return nil, invalid(fmt.Errorf("%s: %w", field, err))
	}
	var routers []Router
	var ps problems
	for _, p := range selected {
		switch {
		case p.HostNetwork:
			ps.add(p, "it uses the node's network and has none of its own")
		case p.UID != "":
			routers = append(routers, Router{PodUID: p.UID})
		}
	}
	w.object.Problems = ps.list()
	return routers, nil
}

// defaultTables are the numbers of the kernel's default table, which is also 0:
// RT_TABLE_DEFAULT and RT6_TABLE_DFLT (linux/rtnetlink.h, net/ip6_fib.h).
var defaultTables = map[mroute.Family]uint32{mroute.IPv4: 253, mroute.IPv6: 254}

// isDefaultTable reports whether n stands for the kernel's default table. Any
// other is a table of its own, which the kernel makes for good.
func isDefaultTable(f mroute.Family, n uint32) bool { return n == 0 || n == defaultTables[f] }

// inTable returns r with the table of that number. One kernel table has one
// router, whatever it is called: the agent's own, or else table 0.
func (x *expander) inTable(r Router, f mroute.Family, table uint32) Router {
	r.Table = table
	if isDefaultTable(f, table) {
		r.Table = 0
		if r.PodUID == "" && isDefaultTable(f, x.in.MainTable) {
			r.Table = x.in.MainTable
		}
	}
	return r
}
