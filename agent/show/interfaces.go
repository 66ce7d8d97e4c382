package show

import "github.com/smcroute/kube-smcroute/agent/mroute"

// interfacesText lists all links of the namespace with their numbers in the
// two tables, and in which these are if there are more.
func interfacesText(snap *mroute.Snapshot) string {
	if len(snap.Links) == 0 {
		return ""
	}
	width := len("PHYINT")
	for i := range snap.Links {
		width = max(width, len(snap.Links[i].Name))
	}
	t := make(table, 0, (len(snap.Links)+1)*(width+20))
	t.text(" INDEX ")
	start := len(t)
	t.text("PHYINT")
	t.pad(start, width)
	t.text("  VIF  MIF")
	if len(snap.Tables) > 0 {
		t.text("     TABLE")
	}
	t.endHeading()
	for i := range snap.Links {
		l := &snap.Links[i]
		t.number(uint64(l.Index), 6)
		t.text(" ")
		start := len(t)
		t.name(l.Name)
		t.pad(start, width)
		t.text(" ")
		t.vif(l.VIF)
		t.text(" ")
		t.vif(l.MIF)
		if len(snap.Tables) > 0 {
			t.tableOf(l)
		}
		t.endRow()
	}
	return string(t)
}

// tableOf is in which table a link has its numbers.
func (t *table) tableOf(l *mroute.LinkView) {
	t.text(" ")
	switch {
	case l.VIF == mroute.NoVIF && l.MIF == mroute.NoVIF:
		t.right("N/A", 9)
	case l.Table == 0:
		t.right("own", 9)
	default:
		t.number(uint64(l.Table), 9)
	}
}

func (t *table) vif(v mroute.VIF) {
	if v == mroute.NoVIF {
		t.right("N/A", 4)
		return
	}
	t.number(uint64(v), 4)
}
