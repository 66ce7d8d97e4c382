package diagnose

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// walk follows one flow, or all sources of a group, from the rule to who hears.
type walk struct {
	*diagnosis
	source, group view.Net
	asked         bool // for this flow: then nothing arriving is a fault
	findings      []Finding

	ruling  []view.Rule // that take the flow, on any interface
	pending []view.Pending
	inputs  []string // interfaces of rules
}

// maxEvidence is how many lines one finding may have.
const maxEvidence = 12

// flow is one source and group.
type flow struct{ source, group netip.Addr }

func (f flow) String() string { return fmt.Sprintf("(%v, %v)", f.source, f.group) }

func (d *diagnosis) walkOf(source, group view.Net) *walk {
	w := &walk{diagnosis: d, source: source, group: group}
	for _, r := range d.rules.of(group) {
		if within(group, r.Group) && (source.IsZero() || r.Source.IsZero() || within(source, r.Source)) && !excepted(source, r.Except) {
			w.ruling = append(w.ruling, *r)
			if !slices.Contains(w.inputs, r.IIF) {
				w.inputs = append(w.inputs, r.IIF)
			}
		}
	}
	for i := range d.After.Pending {
		p := &d.After.Pending[i]
		if within(group, p.Group) && (source.IsZero() || p.Source.IsZero() || within(source, p.Source)) {
			w.pending = append(w.pending, *p)
		}
	}
	return w
}

// within reports whether outer has all of inner.
func within(inner, outer view.Net) bool {
	return inner.Bits() >= outer.Bits() && outer.Contains(inner.Addr())
}

func excepted(source view.Net, except []view.Net) bool {
	return !source.IsZero() && slices.ContainsFunc(except, func(n view.Net) bool { return within(source, n) })
}

// walk stops where packets do.
func (w *walk) walk() {
	if w.ruled() && w.inbound() {
		w.arrival()
	}
	w.overgrown()
}

// find adds a finding about the flow. Of one kind there is one for each interface.
func (w *walk) find(f Finding) {
	if f.Group.IsZero() {
		f.Source, f.Group = w.source, w.group
	}
	for i := range w.findings {
		if old := &w.findings[i]; old.ID == f.ID && old.Link == f.Link && (f.Link != "" || old.Source == f.Source) {
			for _, line := range f.Evidence {
				if !slices.Contains(old.Evidence, line) && len(old.Evidence) < maxEvidence {
					old.Evidence = append(old.Evidence, line)
				}
			}
			return
		}
	}
	w.findings = append(w.findings, f)
}

// found reports whether there is a finding of these kinds.
func (w *walk) found(ids ...ID) bool {
	return slices.ContainsFunc(w.findings, func(f Finding) bool { return slices.Contains(ids, f.ID) })
}

// worst is the worst finding, the first of several; nil if there is none.
func (w *walk) worst() *Finding {
	var worst *Finding
	for i := range w.findings {
		if worst == nil || w.findings[i].Severity.rank() < worst.Severity.rank() {
			worst = &w.findings[i]
		}
	}
	return worst
}

// six reports whether the flow is of IPv6.
func (w *walk) six() bool { return w.group.Addr().Is6() }

// words name the flow as the arguments of a command do.
func (w *walk) words() string {
	if w.source.IsZero() {
		return w.group.String()
	}
	return w.source.String() + " " + w.group.String()
}

// takes reports whether a rule takes packets of a source on an interface; on
// "" reports it for any.
func (w *walk) takes(source, group netip.Addr, link string) bool {
	return slices.ContainsFunc(w.ruling, func(r view.Rule) bool {
		return (link == "" || r.IIF == link) && takes(&r, source, group)
	})
}

// takes reports whether a rule takes packets of a source.
func takes(r *view.Rule, source, group netip.Addr) bool {
	return r.Group.Contains(group) && (r.Source.IsZero() || r.Source.Contains(source)) && !excepted(view.NetOf(source), r.Except)
}

// covers reports whether a packet is of what was asked for.
func (w *walk) covers(s *Seen) bool {
	return w.group.Contains(s.Group) && (w.source.IsZero() || w.source.Contains(s.Source))
}

// counted is how many packets of a flow the kernel's entry took within the
// window, and of those how many by a wrong interface; entry is the one after it,
// or nil.
func (w *walk) counted(f flow) (packets, wrong uint64, entry *view.Flow) {
	after, before := entryOf(&w.after, f), entryOf(&w.before, f)
	if after == nil {
		return 0, 0, nil
	}
	packets, wrong = after.Packets, after.WrongIf
	if before != nil && before.Packets <= packets && before.WrongIf <= wrong {
		packets, wrong = packets-before.Packets, wrong-before.WrongIf
	}
	return packets, wrong, after
}

// entryOf finds the entry of a flow: (S,G), or else (*,G).
func entryOf(flows *byGroup[view.Flow], f flow) *view.Flow {
	var native *view.Flow
	for _, e := range flows.single[f.group] {
		switch {
		case e.Source.IsZero():
			native = e
		case e.Source.Addr() == f.source:
			return e
		}
	}
	return native
}

func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
