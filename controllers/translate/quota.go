package translate

import (
	"fmt"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// What the objects of one namespace may come to on one node, if they may not
// name its interfaces: whoever can make them must not be able to take the
// agent's memory, or what its routers have room for, from all others. What is
// inside pods counts too.
const (
	MaxNamespaceRules = 1 << 16 // pairs of source and group, of MaxRules for one object
	MaxNamespaceJoins = 1 << 14 // single joins, of 1<<16 that a router takes
	MaxPodTables      = 8       // kernel tables in use in one pod
)

// quotas are what namespaces without permission have used up.
type quotas map[string]*usage

type usage struct {
	rules, joins int
	tables       map[string]map[uint32]bool // by pod
}

// exceeded rejects w if there is no room for all of it, or else takes the room.
func (qs quotas) exceeded(w *wish) *Rejection {
	namespace := w.object.Namespace
	u := qs[namespace]
	if u == nil {
		u = &usage{tables: make(map[string]map[uint32]bool)}
		qs[namespace] = u
	}
	rules, joins := u.rules, u.joins
	for _, want := range w.wants {
		for _, in := range want.inputs {
			rules += in.size()
		}
		for _, m := range want.joins {
			joins += m.singles()
		}
		if pod := want.router.PodUID; pod != "" && !u.tables[pod][want.router.Table] && len(u.tables[pod]) >= MaxPodTables {
			return limited(namespace, "use", MaxPodTables, "tables in one pod")
		}
	}
	switch {
	case rules > MaxNamespaceRules:
		return limited(namespace, "come to", MaxNamespaceRules, "pairs of source and group on this node")
	case joins > MaxNamespaceJoins:
		return limited(namespace, "come to", MaxNamespaceJoins, "joins on this node")
	}
	u.rules, u.joins = rules, joins
	for _, want := range w.wants {
		pod := want.router.PodUID
		if pod == "" {
			continue
		}
		if u.tables[pod] == nil {
			u.tables[pod] = make(map[uint32]bool)
		}
		u.tables[pod][want.router.Table] = true
	}
	return nil
}

// singles is how many single joins m stands for, 1<<20 at most.
func (m membership) singles() int { return joins(m.sources, m.groups, 1<<20) }

func limited(namespace, verb string, limit int, of string) *Rejection {
	return &Rejection{v1alpha1.ReasonLimitExceeded, fmt.Sprintf(
		"with this one the objects of namespace %q %s more than %d %s, the limit for a namespace that may not name the node's interfaces: remove older ones, or add it to the agent's --host-namespaces, agent.hostNamespaces in the chart's values",
		namespace, verb, limit, of)}
}
