package show

import (
	"strconv"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// pendingText lists the lines that are not wholly in the kernel in the syntax of
// the configuration file; in detail with the reason, as a comment of its own
// line.
func pendingText(snap *mroute.Snapshot, detail bool) string {
	if len(snap.Pending) == 0 {
		return "No pending routes or groups\n"
	}
	t := make(table, 0, (len(snap.Pending)+1)*96)
	t.text("PENDING ROUTES AND GROUPS\n")
	for i := range snap.Pending {
		t.pending(&snap.Pending[i])
		t.endRow()
		if reason := snap.Pending[i].Reason; detail && reason != "" {
			t.text("        # ")
			t.name(reason)
			t.endRow()
		}
	}
	return string(t)
}

func (t *table) pending(p *mroute.PendingView) {
	start := len(*t)
	t.text(string(p.Kind))
	t.pad(start, 7)
	t.text(" from ")
	t.name(p.From.Name())
	if len(p.Except) > 0 {
		sep := " except "
		for _, e := range p.Except {
			t.text(sep)
			*t = appendLiteral(*t, e)
			sep = ","
		}
	}
	if !anySource(p.Match) {
		t.text(" source ")
		*t = appendLiteral(*t, p.Match.Source)
	}
	t.text(" group ")
	*t = appendLiteral(*t, p.Match.Group)
	if len(p.To) == 0 && !p.Scopes.Set {
		return
	}
	t.text(" to")
	if p.Scopes.Set {
		t.text(" ")
		*t = strconv.AppendUint(*t, uint64(p.Scopes.Bits), 10)
	}
	for _, to := range p.To {
		t.text(" ")
		t.name(to.Name())
	}
}
