package diagnose

import (
	"fmt"
	"strings"
	"testing"
)

// A thousand streams with one trouble do not fill the screen.
func TestManyAlike(t *testing.T) {
	var r Report
	for i := range 1000 {
		r.Findings = append(r.Findings, Finding{ID: NoPackets, Severity: Risk, Text: fmt.Sprintf("stream %d", i)})
	}
	r.Findings = append(r.Findings, Finding{ID: RPFilter, Severity: Broken, Text: "the other"})
	text := r.Text(false)
	for _, want := range []string{"stream 9\n", "of 990 more", "the other\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if n := strings.Count(text, "\n"); n != 12 {
		t.Errorf("%d lines:\n%s", n, text)
	}
}
