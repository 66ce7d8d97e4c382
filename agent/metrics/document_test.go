package metrics

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// docs/metrics.md has a row for each metric, in order, and no other.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "| `smcroute_") && !strings.HasPrefix(line, "| `smcroute_controller_") {
			got = append(got, line)
		}
	}
	var want []string
	for _, d := range All() {
		labels := "`" + strings.Join(d.Labels, "`, `") + "`"
		if len(d.Labels) == 0 {
			labels = ""
		}
		want = append(want, fmt.Sprintf("| `%s` | %v | %s | %s |", d.Name, d.Kind, labels, d.Help))
	}
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("the rows of docs/metrics.md are not those of the program, which are:\n%s", b)
	}
}
