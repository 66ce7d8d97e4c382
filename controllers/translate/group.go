package translate

import (
	"fmt"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// group works out what a MulticastGroup wants. The kernel's memberships have
// nothing to do with tables: on the node the agent's own router makes them, in a
// pod that of the default table.
func (x *expander) group(w *wish, spec *v1alpha1.MulticastGroupSpec) *Rejection {
	if err := checkInterface("spec.interface", spec.Interface); err != nil {
		return invalid(err)
	}
	routers, rejection := x.place(w, &spec.NetworkNamespace, true)
	if rejection != nil {
		return rejection
	}
	groups, err := parseGroups(spec.Groups, false)
	if err != nil {
		return invalid(err)
	}
	sources, err := parseSources(spec.Sources, mroute.FamilyOf(groups[0].Addr()))
	if err != nil {
		return invalid(err)
	}
	if joins(sources, groups, MaxJoins) > MaxJoins {
		return invalid(fmt.Errorf("spec.groups: sources times groups stand for more than %d joins: expected longer prefixes, or several MulticastGroups", MaxJoins))
	}
	ms := []membership{{mroute.IfPattern(spec.Interface), product{sources, groups}}}
	for _, r := range routers {
		if r.PodUID == "" {
			r.Table = x.in.MainTable
		}
		w.wants = append(w.wants, want{router: r, joins: ms})
	}
	return nil
}
