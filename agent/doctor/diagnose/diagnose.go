package diagnose

import (
	"github.com/smcroute/kube-smcroute/agent/view"
)

// Diagnose says what is wrong.
func Diagnose(f *Facts) Report {
	r := Report{
		Time: f.Time, Window: view.Seconds(f.Window),
		Source: netOf(f.Source), Group: netOf(f.Group),
		Findings: []Finding{}, Unseen: f.Unseen,
	}
	return r
}
