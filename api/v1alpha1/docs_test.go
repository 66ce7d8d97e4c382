package v1alpha1_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
)

// The table of reasons in docs/api.md, which hack/api-docs has, is complete.
func TestReasonsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	f, err := parser.ParseFile(token.NewFileSet(), "conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(f, func(n ast.Node) bool {
		l, ok := n.(*ast.BasicLit)
		if !ok {
			return true
		}
		found++
		if s, err := strconv.Unquote(l.Value); err != nil || !strings.Contains(string(text), "`"+s+"`") {
			t.Errorf("docs/api.md does not say what %s means: add it to hack/api-docs/conditions.tpl, and make generate", l.Value)
		}
		return true
	})
	if found < 10 {
		t.Errorf("found only %d conditions and reasons", found)
	}
}
