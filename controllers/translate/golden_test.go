package translate_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/smcroute/kube-smcroute/controllers/translate"
	"github.com/smcroute/kube-smcroute/test/golden"
)

// TestGolden reads each testdata/*.txtar: "in.yaml" holds the objects, "out" is
// what must come of them. The comment tells the story.
func TestGolden(t *testing.T) {
	golden.Test(t, func(t *testing.T, in *txtar.Archive) []txtar.File {
		if len(in.Files) == 0 || in.Files[0].Name != "in.yaml" {
			t.Fatal("expected in.yaml first")
		}
		got := text(translate.Translate(parse(t, in.Files[0].Data)))
		return []txtar.File{{Name: "out", Data: []byte(got)}}
	})
}
