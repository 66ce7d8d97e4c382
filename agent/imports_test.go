package agent_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/smcroute/kube-smcroute/"

// rooms are the packages below this one, what of the agent each may import, and
// why no more. docs/architecture.md is the picture. What packages may use of the
// world outside is in hack/imports.
var rooms = map[string]struct {
	may []string
	why string
}{
	".": {
		[]string{"conf", "core", "engine", "heap", "hook", "ipc", "kernel", "meter", "mrdisc", "mroute", "plan", "show", "spread", "view"},
		"it puts the parts together, on any kernel: which one is the program's choice",
	},
	"mroute":          {nil, "the vocabulary knows none of those who speak it"},
	"plan":            {[]string{"mroute"}, "what should be is a function of intent, links and flows"},
	"core":            {[]string{"mroute", "plan"}, "it decides, and knows neither who acts nor who asks"},
	"engine":          {[]string{"core", "kernel", "meter", "mroute"}, "it runs the router, and knows nothing of files, clients or Kubernetes"},
	"spread":          {[]string{"core", "engine", "kernel", "mroute", "spread/assign"}, "it runs several engines as one, on any kernel that can have several tables"},
	"spread/assign":   {[]string{"mroute"}, "who fits where is a matter of counting"},
	"keep":            {[]string{"keep/shelf", "keep/wire", "mroute"}, "it holds descriptors, whatever they are of"},
	"keep/shelf":      {[]string{"keep/wire"}, "descriptors by name, whoever puts them there"},
	"keep/wire":       {nil, "messages carry names and descriptors, whatever they mean"},
	"kernel":          {[]string{"mroute"}, "the port does not know who is plugged in at either side"},
	"kernel/uapi":     {nil, "layouts of bytes are the kernel's, not ours"},
	"kernel/mrule":    {[]string{"kernel/uapi"}, "what the kernel lists, whoever made it"},
	"kernel/linux":    {[]string{"keep", "kernel", "kernel/mrule", "kernel/uapi", "mroute", "netns"}, "it carries out, and decides nothing"},
	"kernel/sim":      {[]string{"kernel", "mroute"}, "it stands for the kernel, and so knows nothing of us"},
	"conf":            {[]string{"mroute"}, "a file is one way to say what is wanted"},
	"show":            {[]string{"mroute"}, "a listing is made from a snapshot alone"},
	"view":            {[]string{"mroute"}, "a document is made from a snapshot alone"},
	"doctor":          {[]string{"capture", "doctor/diagnose", "kernel/mrule", "kernel/uapi", "netns", "view"}, "it looks at the node, and asks the router like anybody else"},
	"doctor/diagnose": {[]string{"mroute", "view"}, "what is wrong follows from the facts alone"},
	"ipc":             {nil, "the protocol carries words, whatever they mean"},
	"mrdisc":          {[]string{"mroute", "netns"}, "it advertises on the links that it is told"},
	"netns":           {[]string{"mroute"}, "it opens doors, for whatever is done inside"},
	"turn":            {[]string{"kernel", "mroute", "netns"}, "it waits for tables, whatever they are then used for"},
	"podlink":         {[]string{"netns"}, "it asks routes, which have nothing to do with ours"},
	"heap":            {nil, "garbage is collected for the process, whoever makes it"},
	"hook":            {[]string{"mroute"}, "it runs the script, whoever asks"},
	"metrics":         {[]string{"meter", "mroute"}, "numbers are made from snapshots and counts alone, whoever serves them"},
	"meter":           {[]string{"mroute"}, "it counts, whoever reads that"},
	"capture":         {[]string{"capture/ip", "netns"}, "it sees packets, and knows neither routes nor what is in streams"},
	"capture/ip":      {nil, "headers are those of RFCs"},
	"page":            {[]string{"doctor/diagnose", "mroute", "view"}, "it shows states and findings, whoever has the routers"},
	"trace":           {[]string{"capture/ip", "view"}, "what became of packets follows from where they were seen"},
	"draw":            {[]string{"view"}, "people see what a document says"},
}

// file is a source file, by path from here.
type file struct {
	path string
	set  *token.FileSet
	ast  *ast.File
}

func (f file) pkg() string { return path.Dir(f.path) }

func (f file) imports() (paths []string) {
	for _, i := range f.ast.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		paths = append(paths, p)
	}
	return paths
}

// sources parses all files of the agent but tests and what tests use.
func sources(t *testing.T) []file {
	t.Helper()
	var files []file
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasSuffix(d.Name(), "test")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go"):
			return nil
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, p, nil, parser.SkipObjectResolution)
		files = append(files, file{filepath.ToSlash(p), set, parsed})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < len(rooms) {
		t.Fatalf("only %d files found", len(files))
	}
	return files
}

func TestRooms(t *testing.T) {
	for _, f := range sources(t) {
		room, ok := rooms[f.pkg()]
		if !ok {
			t.Errorf("%s: package %s has no room in this test: say what of the agent it may import, and why", f.path, f.pkg())
			continue
		}
		for _, p := range f.imports() {
			own, ok := strings.CutPrefix(p, module)
			if !ok {
				continue
			}
			if of, ok := strings.CutPrefix(own, "agent/"); !ok || !slices.Contains(room.may, of) {
				t.Errorf("%s imports %s: %s", f.path, own, room.why)
			}
		}
	}
}

// TestSystemCalls: few packages make system calls of their own. Others may use
// package syscall for the names of errors alone, which are plain values.
func TestSystemCalls(t *testing.T) {
	callers := map[string]string{
		"kernel/linux": "multicast routing",
		"kernel/mrule": "rules for tables",
		"netns":        "threads inside namespaces",
		"podlink":      "route look-ups",
		"mrdisc":       "raw sockets of RFC 4286",
		"hook":         "may the script be executed?",
		"metrics":      "none, but it knows the names of error numbers",
		"keep":         "the duplicates of descriptors, and of what they are",
		"keep/shelf":   "the duplicates of descriptors",
		"keep/wire":    "descriptors in messages",
		"doctor":       "what the kernel tells of a node",
		"capture":      "sockets that see packets",
		"ipc":          "who is at the other end of the socket, and does it go on?",
	}
	forbidden := []string{"unsafe", "golang.org/x/sys/unix", "github.com/vishvananda/netns", "github.com/vishvananda/netlink"}
	for _, f := range sources(t) {
		if _, ok := callers[f.pkg()]; ok {
			continue
		}
		for _, p := range f.imports() {
			if slices.Contains(forbidden, p) {
				t.Errorf("%s imports %s: only these make system calls: %v", f.path, p, callers)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "syscall" && !strings.HasPrefix(s.Sel.Name, "E") {
					t.Errorf("%v uses syscall.%s: expected names of errors alone, as only these make system calls: %v", f.set.Position(n.Pos()), s.Sel.Name, callers)
				}
			}
			return true
		})
	}
}
