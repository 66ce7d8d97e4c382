package main

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schema is that of CycloneDX 1.6, which comes with the library, though not with
// its packages.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	for name, file := range map[string]string{
		"bom-1.6.schema.json":  "bom-1.6.schema.json",
		"spdx.schema.json":     "spdx.schema.json",
		"jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "schema", file))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource("http://cyclonedx.org/schema/"+name, doc); err != nil {
			t.Fatal(err)
		}
	}
	s, err := compiler.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// modulesOf are the modules and versions in a program, as "go version -m" tells
// them, and its Go as stdlib.
func modulesOf(t *testing.T, program string) map[string]string {
	t.Helper()
	out, err := exec.Command("go", "version", "-m", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	text := string(out)
	modules := map[string]string{"stdlib": regexp.MustCompile(`: (go[0-9.]+)`).FindStringSubmatch(text)[1]}
	for _, m := range regexp.MustCompile(`(?m)^\tdep\t(\S+)\t(\S+)`).FindAllStringSubmatch(text, -1) {
		modules[m[1]] = m[2]
	}
	return modules
}

// The program is this test, which is made of many modules, and a copy of it.
func TestBillOfMaterials(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"one", "two"} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	image := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0a", 32)}
	b := bill{name: "registry.example/kube-smcroute", version: "1.2.3", arch: "amd64", image: image, created: time.Unix(1700000000, 0)}
	file := filepath.Join(dir, "bom.cdx.json")
	if err := b.write(file, dir, []string{"two", "one"}); err != nil {
		t.Fatal(err)
	}

	text, err = os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema(t).Validate(doc); err != nil {
		t.Errorf("not as the schema says: %v", err)
	}

	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if got, want := bom.SpecVersion, cdx.SpecVersion1_6; got != want {
		t.Errorf("version %v, want %v", got, want)
	}
	if got, want := bom.Metadata.Timestamp, "2023-11-14T22:13:20Z"; got != want {
		t.Errorf("of %s, want %s", got, want)
	}
	if got, want := bom.Metadata.Component.PackageURL, "pkg:oci/kube-smcroute@sha256:"+image.Hex+"?arch=amd64&tag=1.2.3"; strings.ReplaceAll(got, "%3A", ":") != want {
		t.Errorf("of the image %s, want %s", got, want)
	}
	var applications []string
	libraries, refs := map[string]string{}, map[string]bool{}
	for _, c := range *bom.Components {
		if refs[c.BOMRef] {
			t.Errorf("%s is there twice", c.BOMRef)
		}
		refs[c.BOMRef] = true
		if c.Type == cdx.ComponentTypeApplication {
			applications = append(applications, c.Name)
			continue
		}
		libraries[c.Name] = c.Version
		if c.Name != "stdlib" && (c.Hashes == nil || !strings.HasPrefix(c.PackageURL, "pkg:golang/")) {
			t.Errorf("%s has no sum or no package URL: %+v", c.Name, c)
		}
	}
	if want := []string{"one", "two"}; !slices.Equal(applications, want) {
		t.Errorf("programs %v, want %v", applications, want)
	}
	modules := modulesOf(t, self)
	if len(modules) < 10 {
		t.Fatalf("this test is made of %v only", modules)
	}
	if diff := cmp.Diff(modules, libraries); diff != "" {
		t.Errorf("libraries (-want +got)\n%s", diff)
	}

	// From the image one gets to everything.
	below := map[string][]string{}
	for _, d := range *bom.Dependencies {
		if d.Dependencies != nil {
			below[d.Ref] = *d.Dependencies
		}
	}
	reached := map[string]bool{}
	var visit func(ref string)
	visit = func(ref string) {
		for _, r := range below[ref] {
			if !reached[r] {
				reached[r] = true
				visit(r)
			}
		}
	}
	visit(bom.Metadata.Component.BOMRef)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(refs)), slices.Sorted(maps.Keys(reached))); diff != "" {
		t.Errorf("what the image depends on (-want +got)\n%s", diff)
	}
}

// Package URLs as purl-spec's definition of type golang has them.
func TestPackageURL(t *testing.T) {
	for _, tt := range []struct{ module, version, sub, want string }{
		{"k8s.io/api", "v0.37.2", "", "pkg:golang/k8s.io/api@v0.37.2"},
		{"github.com/docker/cli", "v29.7.2+incompatible", "", "pkg:golang/github.com/docker/cli@v29.7.2%2Bincompatible"},
		{"stdlib", "1.26.8", "", "pkg:golang/stdlib@1.26.8"},
		{module, "1.2.3", "cmd/mcast", "pkg:golang/github.com/smcroute/kube-smcroute@1.2.3#cmd/mcast"},
	} {
		if got := packageURL(tt.module, tt.version, nil, tt.sub); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestBillOfNoProgram(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "script"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"script", "missing"} {
		file := filepath.Join(dir, "bom.cdx.json")
		if err := (bill{}).write(file, dir, []string{name}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got error %v", name, err)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s: there is a bill", name)
		}
	}
}
