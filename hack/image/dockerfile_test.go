package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"

	"github.com/smcroute/kube-smcroute/hack/image/oci"
)

var update = flag.Bool("update", false, "write the Dockerfile")

var dockerfile = template.Must(template.New("Dockerfile").Parse(`# The image of "make image", for those who have a container engine. Not by hand:
# what is in it says hack/image, and "go test ./hack/image -update" writes this.
#
#	docker build --build-arg VERSION=1.2.3 --build-arg REVISION=$(git rev-parse HEAD) --tag {{.Title}}:1.2.3 .
FROM --platform=$BUILDPLATFORM golang:{{.Go}} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN {{.Files}}
ARG TARGETARCH
ARG VERSION=devel
RUN CGO_ENABLED=0 GOOS=linux GOARCH=$TARGETARCH \
    go build {{.Flags}} \
    -o /image/{{range .Programs}} ./cmd/{{.}}{{end}}

FROM scratch
ARG VERSION=devel
ARG REVISION
COPY --from=build /image/ /
{{range .Labels}}LABEL {{.}}
{{end}}{{range .Config.Env}}ENV {{.}}
{{end}}USER {{.Config.User}}
CMD {{.Cmd}}
`))

// goVersion is the one of go.mod.
func goVersion(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "mod", "edit", "-json", "../../go.mod").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct{ Go string }
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	return mod.Go
}

// filesCommand makes the base of the image in the directory root.
func filesCommand(root string) string {
	var lines []string
	for _, f := range base {
		mode := fmt.Sprintf("%o", f.Mode.Perm())
		if f.Mode&fs.ModeSticky != 0 {
			mode = "1" + mode
		}
		path := root + f.Path
		if f.Mode.IsDir() {
			lines = append(lines, "install -d -m "+mode+" "+path)
			continue
		}
		lines = append(lines,
			"printf '"+strings.ReplaceAll(string(f.Data), "\n", `\n`)+"' >"+path,
			"chmod "+mode+" "+path)
	}
	return strings.Join(lines, " && \\\n    ")
}

func TestDockerfileIsOfTheSameDescription(t *testing.T) {
	config := configuration("$VERSION", "$REVISION")
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(config.Labels)) {
		labels = append(labels, fmt.Sprintf("%s=%q", name, config.Labels[name]))
	}
	cmd, err := json.Marshal(config.Cmd)
	if err != nil {
		t.Fatal(err)
	}
	var flags []string
	for _, f := range buildFlags("$VERSION") {
		if name, value, ok := strings.Cut(f, "="); ok && strings.Contains(value, " ") {
			f = name + `="` + value + `"`
		}
		flags = append(flags, f)
	}
	var want bytes.Buffer
	err = dockerfile.Execute(&want, map[string]any{
		"Title":    title,
		"Go":       goVersion(t),
		"Files":    filesCommand("/image"),
		"Flags":    strings.Join(flags, " "),
		"Programs": programs,
		"Labels":   labels,
		"Config":   config,
		"Cmd":      string(cmd),
	})
	if err != nil {
		t.Fatal(err)
	}
	const file = "../../Dockerfile"
	if *update {
		if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(want.String(), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("the Dockerfile is not the one of hack/image: go test ./hack/image -update (-want +got)\n%s", diff)
	}
}

// The commands of the Dockerfile make the very files, whatever the umask.
func TestDockerfileMakesTheBase(t *testing.T) {
	root := t.TempDir()
	out, err := exec.Command("sh", "-c", "umask 077; "+filesCommand(root)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got []oci.File
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f := oci.File{Path: strings.TrimPrefix(path, root), Mode: info.Mode()}
		if !d.IsDir() {
			f.Data, err = os.ReadFile(path)
		}
		got = append(got, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(base, got); diff != "" {
		t.Errorf("files (-want +got)\n%s", diff)
	}
}

// What the programs are made of gets into the engine's build.
func TestDockerignoreLeavesTheSources(t *testing.T) {
	file, err := os.Open("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var ignored []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.ContainsAny(line, "!?[") || strings.Contains(strings.TrimPrefix(line, "*."), "*") {
			t.Errorf(".dockerignore: %q is more than this test understands: expected a name, or *. and the end of one", line)
		}
		ignored = append(ignored, strings.Trim(line, "/"))
	}
	if !slices.Contains(ignored, ".git") {
		t.Error(".dockerignore does not leave out .git")
	}
	args := []string{"list", "-deps", "-f", `{{if and .Module .Module.Main}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}
{{end}}{{range .EmbedFiles}}{{$d}}/{{.}}
{{end}}{{end}}`}
	for _, name := range programs {
		if _, err := os.Stat("../../cmd/" + name); err == nil { // or another test tells
			args = append(args, module+"/cmd/"+name)
		}
	}
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	needed := strings.Fields(string(out))
	if len(needed) < 100 {
		t.Fatalf("go list tells of only %d files of the programs", len(needed))
	}
	for _, path := range append(needed, filepath.Join(root, "go.mod"), filepath.Join(root, "go.sum")) {
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		for _, pattern := range ignored {
			if suffix, ok := strings.CutPrefix(pattern, "*"); ok && !strings.Contains(name, "/") && strings.HasSuffix(name, suffix) ||
				name == pattern || strings.HasPrefix(name, pattern+"/") {
				t.Errorf(".dockerignore leaves out %s, which the programs need: %s", name, pattern)
			}
		}
	}
}
