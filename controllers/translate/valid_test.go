package translate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// readFiles reads the routes and groups in files, which may have more objects.
func readFiles(t *testing.T, pattern string) translate.Input {
	t.Helper()
	in := translate.Input{HostNamespaces: []string{"*"}, PodNetworkNamespaces: true}
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for doc := range strings.SplitSeq("\n"+string(data), "\n---\n") {
			var r v1alpha1.MulticastRoute
			var g v1alpha1.MulticastGroup
			switch err := yaml.Unmarshal([]byte(doc), &r); {
			case err != nil: // of another kind, or one that the API server refuses for its types
			case r.Kind == string(translate.RouteKind):
				r.Name, r.Spec.NodeSelector = filepath.Base(file)+" "+r.Name, nil
				in.Routes = append(in.Routes, r)
			case r.Kind == string(translate.GroupKind):
				if err := yaml.Unmarshal([]byte(doc), &g); err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				g.Name, g.Spec.NodeSelector = filepath.Base(file)+" "+g.Name, nil
				in.Groups = append(in.Groups, g)
			}
		}
	}
	if len(in.Routes) == 0 {
		t.Fatalf("no routes in %s", pattern)
	}
	return in
}

// What the API server takes is not Invalid here.
func TestValidObjectsAreNotInvalid(t *testing.T) {
	for _, pattern := range []string{"../../config/samples/*.yaml", "../../test/crd/testdata/valid/*.yaml"} {
		for _, o := range translate.Translate(readFiles(t, pattern)).Objects {
			if o.Rejection != nil && o.Rejection.Reason == v1alpha1.ReasonInvalid {
				t.Errorf("%s: %s", o.Ref(), o.Rejection.Message)
			}
		}
	}
}

// What the API server refuses may be here all the same, from before it had the
// rule. One by one, it is rejected or does no harm.
func TestInvalidObjectsDoNoHarm(t *testing.T) {
	in := readFiles(t, "../../test/crd/testdata/invalid/*.yaml")
	alone := in
	for i, r := range in.Routes {
		alone.Routes, alone.Groups = in.Routes[i:i+1], nil
		for at, l := range translate.Translate(alone).Layers {
			for row := range l.AllRoutes() {
				if !row.Match.Family().Multicast().Overlaps(row.Match.Group) || row.Match.Group.Bits() < row.Match.Family().Multicast().Bits() {
					t.Errorf("%s: %v in %v", r.Name, row, at)
				}
				if _, pinned := row.From.Pin(); pinned || len(row.From) > 15 {
					t.Errorf("%s: from %s in %v", r.Name, row.From, at)
				}
			}
			if len(l.Joins) > translate.MaxJoins {
				t.Errorf("%s: %d joins", r.Name, len(l.Joins))
			}
		}
	}
}
