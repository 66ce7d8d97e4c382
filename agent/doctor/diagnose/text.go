package diagnose

import (
	"fmt"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// maxAlike is how many findings of one kind a person is told of.
const maxAlike = 10

// Text is the report for a person to read. Wide has, of each finding, also where
// the documentation has more. Of many of one kind the first are told, and how many
// more there are.
func (r *Report) Text(wide bool) string {
	var b strings.Builder
	alike := map[ID]int{}
	for i := range r.Findings {
		alike[r.Findings[i].ID]++
	}
	told := map[ID]int{}
	for i := range r.Findings {
		f := &r.Findings[i]
		told[f.ID]++
		switch n := told[f.ID]; {
		case n == maxAlike+1:
			fmt.Fprintf(&b, "%s  %s: of %d more, too: -o json has all\n", f.Severity, f.ID, alike[f.ID]-maxAlike)
			continue
		case n > maxAlike:
			continue
		}
		fmt.Fprintf(&b, "%s  %s: %s\n", f.Severity, f.ID, view.Printable(f.Text))
		for _, line := range f.Evidence {
			fmt.Fprintf(&b, "        seen: %s\n", view.Printable(line))
		}
		for _, line := range f.Fix {
			fmt.Fprintf(&b, "        fix:  %s\n", view.Printable(line))
		}
		if wide {
			fmt.Fprintf(&b, "        see:  %s\n", f.Doc)
		}
	}
	for _, u := range r.Unseen {
		fmt.Fprintf(&b, "note    not looked at: %s: %s\n", view.Printable(u.What), view.Printable(u.Why))
	}
	if len(r.Findings) == 0 && !r.Blind {
		what := "all rules"
		if !r.Group.IsZero() {
			what = r.Group.String()
			if !r.Source.IsZero() {
				what = r.Source.String() + " " + what
			}
		}
		fmt.Fprintf(&b, "Nothing is wrong with %s, as far as this node can see\n", what)
	}
	return b.String()
}
