// Package imports holds the rules about which package may use what, as a test.
// docs/architecture.md has the picture behind them.
package imports

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/smcroute/kube-smcroute"

// pkg is what "go list" tells of a package.
type pkg struct {
	ImportPath, Name, Dir string
	GoFiles, Imports      []string
	Deps                  []string // all that it is linked with
}

// list returns the packages of this module by their path in it.
func list(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Dir,GoFiles,Imports,Deps", module+"/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	// Reading the directories tells the go command that the result of this
	// test depends on them, or else it would be cached.
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]pkg{}
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		packages[strings.TrimPrefix(p.ImportPath, module+"/")] = p
	}
}

// pure packages decide and do not act: the same input gives the same output,
// which is what makes them easy to test.
var pure = []string{
	"agent/mroute",
	"agent/plan",
	"agent/core",
	"agent/conf",
	"agent/show",
	"agent/view",
	"agent/doctor/diagnose",
	"agent/capture/ip",
	"agent/draw",
	"agent/trace",
	"agent/spread/assign",
	"agent/kernel/uapi",
	"agent/kernel/sim",
	"controllers/translate",
	"controllers/status",
}

// impure is what a pure package may not import, as a prefix of the path.
var impure = []string{
	"os", "net", "log", "math/rand", "runtime/", "unsafe",
	"golang.org/x/sys", "golang.org/x/net",
	"github.com/vishvananda/", "github.com/mdlayher/",
}

// allowedInPure are exceptions of impure. Of log/slog only levels are, as the
// plain values that they are.
var allowedInPure = []string{"net/netip", "log/slog"}

// impureCalls read the clock or wait.
var impureCalls = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"},
}

func TestPurePackages(t *testing.T) {
	packages := list(t)
	for _, name := range pure {
		p, ok := packages[name]
		if !ok {
			continue // not written yet
		}
		for _, i := range p.Imports {
			if matches(i, impure) && !slices.Contains(allowedInPure, i) {
				t.Errorf("%s is pure, but imports %s", name, i)
			}
			own, ok := strings.CutPrefix(i, module+"/")
			if ok && !slices.Contains(pure, own) && own != "agent/kernel" && own != "api/v1alpha1" {
				t.Errorf("%s is pure, but imports %s, which is not", name, own)
			}
		}
		for _, file := range p.GoFiles {
			checkPure(t, filepath.Join(p.Dir, file))
		}
	}
}

// checkPure looks for goroutines, clocks and loggers in a file.
func checkPure(t *testing.T, file string) {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			t.Errorf("%v: a pure package starts a goroutine", fset.Position(n.Pos()))
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok || x.Obj != nil {
				break
			}
			logs := x.Name == "slog" && !strings.HasPrefix(n.Sel.Name, "Level")
			if logs || slices.Contains(impureCalls[x.Name], n.Sel.Name) {
				t.Errorf("%v: a pure package uses %s.%s", fset.Position(n.Pos()), x.Name, n.Sel.Name)
			}
		}
		return true
	})
}

// matches reports whether path is one of prefixes, or below one.
func matches(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool {
		return path == p || strings.HasPrefix(path, strings.TrimSuffix(p, "/")+"/")
	})
}

func TestForbiddenImports(t *testing.T) {
	for _, rule := range []struct {
		in        []string // packages of this module, and all below them
		except    []string
		forbidden []string
		allowed   []string // exceptions of forbidden
		deep      bool     // also what imported packages import
		why       string
	}{
		{
			in: []string{"agent", "cmd/smcrouted", "cmd/smcroutectl", "cmd/internal"}, deep: true,
			except:    []string{"cmd/internal/logging"},
			forbidden: []string{"k8s.io", "sigs.k8s.io", module + "/api", module + "/controllers"},
			why:       "the daemon works without Kubernetes, and is small",
		},
		{
			in: []string{"cmd/smcroute-keeper"}, deep: true,
			forbidden: []string{"k8s.io", "sigs.k8s.io", "github.com"},
			allowed:   []string{module + "/agent/keep/shelf", module + "/agent/keep/wire", module + "/agent/kernel/uapi", module + "/cmd"},
			why:       "it lives for months in little memory, and must not end",
		},
		{
			in:        []string{"agent"},
			except:    []string{"agent/hook"},
			forbidden: []string{"os/exec"},
			why:       "starting programs is the hook's business alone",
		},
		{
			in: []string{"controllers"}, deep: true,
			except:    []string{"controllers/podns"},
			forbidden: []string{module + "/agent", module + "/cmd"},
			allowed:   []string{module + "/agent/mroute"},
			why:       "Kubernetes is an edge: it speaks agent/mroute with the agent",
		},
		{
			in: []string{"controllers/podns"}, deep: true,
			forbidden: []string{module + "/agent", module + "/cmd", module + "/api"},
			allowed:   []string{module + "/agent/mroute", module + "/agent/netns"},
			why:       "it looks into network namespaces, and knows neither routers nor objects",
		},
		{
			in: []string{"cmd/smcroute-controller", "controllers/summary"}, deep: true,
			forbidden: []string{
				module + "/agent/kernel", module + "/agent/engine", "github.com/vishvananda",
			},
			why: "the controller only sums up reports: it needs nothing of a node",
		},
		{
			in: []string{"agent", "cmd", "controllers", "api"}, deep: true,
			forbidden: []string{"testing", module + "/test"},
			why:       "test code stays out of the programs",
		},
	} {
		for name, p := range list(t) {
			if !matches(name, rule.in) || matches(name, rule.except) || strings.HasSuffix(name, "test") {
				continue
			}
			imports := p.Imports
			if rule.deep {
				imports = p.Deps
			}
			for _, i := range imports {
				if matches(i, rule.forbidden) && !matches(i, rule.allowed) {
					t.Errorf("%s imports %s: %s", name, strconv.Quote(i), rule.why)
				}
			}
		}
	}
}

func TestPackageNames(t *testing.T) {
	for name, p := range list(t) {
		if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc", "shared"}, p.Name) {
			t.Errorf("%s is called %s: a name that says nothing about what is inside", name, p.Name)
		}
	}
}
