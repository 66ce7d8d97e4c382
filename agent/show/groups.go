package show

import "github.com/smcroute/kube-smcroute/agent/mroute"

// groupsText lists the memberships as configured, and in detail every single
// one that the kernel holds. The second table has no column headings, as in
// SMCRoute.
func groupsText(snap *mroute.Snapshot, detail bool) string {
	t := make(table, 0, (len(snap.Groups)+3)*64)
	if len(snap.Groups) > 0 {
		t.title("Group Memberships Table")
		start := len(t)
		t.text("GROUP (S,G)")
		t.pad(start, pairWidth)
		t.text(" ")
		start = len(t)
		t.text("IIF")
		t.pad(start, 16)
		t.endHeading()
		t.groups(snap.Groups)
	}
	if detail && len(snap.Joined) > 0 {
		t.title("Kernel Group Membership Table")
		t.groups(snap.Joined)
	}
	return string(t)
}

func (t *table) groups(groups []mroute.GroupView) {
	for i := range groups {
		start := len(*t)
		*t = appendMatch(*t, groups[i].Match, mroute.ScopeMask{})
		t.pad(start, pairWidth)
		t.text(" ")
		t.name(groups[i].If)
		t.endRow()
	}
}
