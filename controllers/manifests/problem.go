package manifests

import (
	"cmp"
	"fmt"
	"strings"
)

// Problem is something wrong in a file.
type Problem struct {
	File    string // its name in the directory
	Line    int    // counted from 1; 0: the whole file
	Path    string // of the field, as in "spec.groups[0]"; "": the whole document
	Message string
}

// String returns "routes.yaml:12: spec.groups[0]: what is wrong".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path)
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// compare orders problems by file and line.
func (p Problem) compare(q Problem) int {
	return cmp.Or(
		strings.Compare(p.File, q.File),
		cmp.Compare(p.Line, q.Line),
		strings.Compare(p.Path, q.Path),
		strings.Compare(p.Message, q.Message))
}
