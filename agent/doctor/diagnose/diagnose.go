package diagnose

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// MaxFlows is how many flows are examined at most, if all are to be.
const MaxFlows = 1000

// Diagnose says what is wrong.
func Diagnose(f *Facts) Report {
	d := &diagnosis{Facts: f, report: Report{
		Time: f.Time, Window: view.Seconds(f.Window),
		Source: view.NetOf(f.Source), Group: view.NetOf(f.Group),
		Findings: []Finding{}, Unseen: slices.Clone(f.Unseen),
	}}
	d.index()
	if d.daemon() {
		d.flows()
	}
	d.node()
	for i := range d.report.Findings {
		finding := &d.report.Findings[i]
		finding.Evidence, finding.Fix = some(finding.Evidence), some(finding.Fix)
		finding.Doc = finding.ID.Doc()
	}
	return d.report
}

// some is never nil.
func some(lines []string) []string {
	if lines == nil {
		return []string{}
	}
	return lines
}

// diagnosis is one at work.
type diagnosis struct {
	*Facts
	report Report
	links  map[string]*Link
	used   map[string]bool // interfaces of flows that were examined

	// By group, since there may be a hundred thousand of each.
	rules         byGroup[view.Rule]
	joins         byGroup[view.Membership]
	after, before byGroup[view.Flow]
}

func (d *diagnosis) index() {
	d.links, d.used = map[string]*Link{}, map[string]bool{}
	for i := range d.Links {
		d.links[d.Links[i].Name] = &d.Links[i]
	}
	d.joins.add(d.Joined, func(m *view.Membership) view.Net { return m.Group })
	if d.After != nil {
		d.rules.add(d.After.Rules, func(r *view.Rule) view.Net { return r.Group })
		d.joins.add(d.After.Joined, func(m *view.Membership) view.Net { return m.Group })
		d.after.add(d.After.Flows, func(f *view.Flow) view.Net { return f.Group })
	}
	if d.Before != nil {
		d.before.add(d.Before.Flows, func(f *view.Flow) view.Net { return f.Group })
	}
}

// byGroup finds what is for a group.
type byGroup[T any] struct {
	single map[netip.Addr][]*T
	wide   []*T // for many groups
}

func (b *byGroup[T]) add(all []T, group func(*T) view.Net) {
	if b.single == nil {
		b.single = map[netip.Addr][]*T{}
	}
	for i := range all {
		if g := group(&all[i]); g.IsSingleIP() {
			b.single[g.Addr()] = append(b.single[g.Addr()], &all[i])
		} else {
			b.wide = append(b.wide, &all[i])
		}
	}
}

// of lists what may be for all of a group, or groups: what is for single ones
// first.
func (b *byGroup[T]) of(g view.Net) []*T {
	if !g.IsSingleIP() {
		return b.wide
	}
	return slices.Concat(b.single[g.Addr()], b.wide)
}

// find adds a finding about the node.
func (d *diagnosis) find(f Finding) { d.report.Findings = append(d.report.Findings, f) }

// flows walks the way of each flow that was asked for.
func (d *diagnosis) flows() {
	if d.Group.IsValid() {
		w := d.walkOf(view.NetOf(d.Source), view.NetOf(d.Group))
		w.asked = true
		w.walk()
		d.report.Examined = 1
		for _, f := range w.findings {
			d.find(f)
		}
		return
	}
	type key struct{ source, group netip.Prefix }
	seen := map[key]bool{}
	type about struct {
		id            ID
		source, group netip.Prefix
		link, text    string
	}
	told := map[about]bool{} // several rules may take one flow
	left := d.Left
	one := func(source, group view.Net) {
		k := key{source.Prefix, group.Prefix}
		switch {
		case seen[k]:
			return
		case d.report.Examined == MaxFlows:
			left++
			return
		}
		seen[k] = true
		d.report.Examined++
		w := d.walkOf(source, group)
		w.walk()
		worst := w.worst()
		if worst == nil {
			return
		}
		a := about{worst.ID, worst.Source.Prefix, worst.Group.Prefix, worst.Link, worst.Text}
		if !told[a] {
			told[a] = true
			d.find(*worst)
		}
	}
	for i := range d.After.Pending {
		one(d.After.Pending[i].Source, d.After.Pending[i].Group)
	}
	for i := range d.After.Rules {
		one(d.After.Rules[i].Source, d.After.Rules[i].Group)
	}
	if left > 0 {
		d.report.Unseen = append(d.report.Unseen, Unseen{
			What: "all rules", Why: fmt.Sprintf("%d were examined, %d more were not: name a group", MaxFlows, left),
		})
	}
}

// daemon says whether the router answers.
func (d *diagnosis) daemon() bool {
	other := d.otherOwner()
	switch {
	case d.Daemon.Error == "" && d.After != nil:
		return true
	case d.Daemon.Refused:
		d.report.Blind = true
		d.find(Finding{
			ID: NotPermitted, Severity: Risk,
			Text:     "The router may not be asked: its socket is not for this user",
			Evidence: []string{d.Daemon.Error},
			Fix:      []string{"sudo smcroutectl doctor"},
		})
	case other != nil && d.Sysctls["ipv4.conf.all.mc_forwarding"] == "1":
		d.find(Finding{
			ID: TableInUse, Severity: Broken,
			Text: fmt.Sprintf("smcrouted does not run, and another program has the kernel's multicast routing table: %s (PID %d)", other.Name, other.PID),
			Evidence: []string{
				d.Daemon.Error,
				"net.ipv4.conf.all.mc_forwarding = 1: a program has the table",
				fmt.Sprintf("%s (PID %d) has a raw socket of IGMP", other.Name, other.PID),
			},
			Fix: []string{
				fmt.Sprintf("kill %d", other.PID),
				"systemctl start smcroute",
				"# or let smcrouted have a table of its own: smcrouted -t 100",
			},
		})
	default:
		d.find(Finding{
			ID: NotRunning, Severity: Broken,
			Text:     "The router does not answer: smcrouted does not run, or listens elsewhere",
			Evidence: []string{d.Daemon.Error},
			Fix:      []string{"systemctl start smcroute", "# if it runs with -i NAME: smcroutectl -i NAME doctor"},
		})
	}
	return false
}

// otherOwner is a program besides ours that may have the table of IPv4.
func (d *diagnosis) otherOwner() *Process {
	for i := range d.Owners {
		if p := &d.Owners[i]; !p.Six && p.Name != "smcrouted" && p.Name != "smcroute-agent" && p.Name != "smcroute-keeper" {
			return p
		}
	}
	return nil
}
