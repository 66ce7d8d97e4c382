package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// String prints links, VIFs, entries and memberships, in a stable order, for
// golden tests. Unlike a dump it shows inputs and outputs whose VIF is gone, by
// number: "3?".
func (h *Host) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	for _, l := range h.links {
		fmt.Fprintf(&b, "link %d %s%s\n", l.Index, l.Name, flags(l))
	}
	tables := slices.Clone(h.tables)
	slices.SortFunc(tables, func(a, b *table) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.family, b.family))
	})
	for _, t := range tables {
		h.describe(&b, t)
	}
	for _, l := range h.links {
		for _, sg := range h.memberships(l.Index) {
			fmt.Fprintf(&b, "member %s %v\n", l.Name, sg)
		}
	}
	return b.String()
}

func flags(l mroute.Link) string {
	var s string
	if !l.Up {
		s += " down"
	}
	if !l.Multicast {
		s += " nomulticast"
	}
	if l.Loopback {
		s += " loopback"
	}
	return s
}

// describe prints one table: a line for each VIF, each entry in order of SG,
// and each flow that waits.
func (h *Host) describe(b *strings.Builder, t *table) {
	name := t.family.String()
	if t.id != 0 {
		name = tableName(t.family, t.id)
	}
	for v := range t.vifs {
		if t.vifs[v].link != 0 {
			fmt.Fprintf(b, "%s vif %d %s%s\n", name, v, h.vifName(t, mroute.VIF(v)), static(t.vifs[v].static))
		}
	}
	for _, sg := range slices.SortedFunc(maps.Keys(t.mfc), mroute.SG.Compare) {
		e := t.mfc[sg]
		fmt.Fprintf(b, "%s mfc %v %s ->", name, sg, h.vifName(t, e.IIF))
		for v, threshold := range e.OIFs {
			if threshold == 0 {
				continue
			}
			fmt.Fprintf(b, " %s", h.vifName(t, mroute.VIF(v)))
			if threshold > 1 {
				fmt.Fprintf(b, ":%d", threshold)
			}
		}
		fmt.Fprintf(b, "%s\n", static(e.static))
	}
	for _, sg := range slices.SortedFunc(maps.Keys(t.queue), mroute.SG.Compare) {
		fmt.Fprintf(b, "%s waiting %v %d\n", name, sg, len(t.queue[sg].packets))
	}
}

// vifName is the name of a VIF's link, or "3?" if VIF 3 is gone.
func (h *Host) vifName(t *table, v mroute.VIF) string {
	if t.has(v) {
		if l, ok := h.link(t.vifs[v].link); ok {
			return l.Name
		}
	}
	return fmt.Sprintf("%d?", v)
}

func static(is bool) string {
	if is {
		return " static"
	}
	return ""
}
