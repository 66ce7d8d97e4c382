package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/uuid"
	"github.com/package-url/packageurl-go"
)

// bill is a bill of materials of the image for one architecture.
type bill struct {
	name, version, arch string
	image               v1.Hash // digest of the manifest
	created             time.Time
}

// write writes the bill of an image with these programs, which are in dir, to a
// file in CycloneDX's JSON.
func (b bill) write(file, dir string, programs []string) (err error) {
	bom, err := b.materials(dir, programs)
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() {
		if e := out.Close(); err == nil {
			err = e
		}
	}()
	// What scanners of today read.
	return cdx.NewBOMEncoder(out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(bom, cdx.SpecVersion1_6)
}

// materials tells what the programs were linked from, as the linker wrote it into
// them: an image that depends on programs, which depend on modules.
func (b bill) materials(dir string, programs []string) (*cdx.BOM, error) {
	image := b.component()
	libraries := map[string]cdx.Component{} // by reference
	var applications []cdx.Component
	var dependencies []cdx.Dependency
	for _, name := range slices.Sorted(slices.Values(programs)) {
		file := filepath.Join(dir, name)
		info, err := buildinfo.ReadFile(file)
		if err != nil {
			return nil, err
		}
		sum, err := sha256Of(file)
		if err != nil {
			return nil, err
		}
		url := packageURL(info.Main.Path, b.version, packageurl.QualifiersFromMap(map[string]string{"goos": "linux", "goarch": b.arch}), "cmd/"+name)
		applications = append(applications, cdx.Component{
			BOMRef:     url,
			Type:       cdx.ComponentTypeApplication,
			Name:       name,
			Version:    b.version,
			Licenses:   &cdx.Licenses{{License: &cdx.License{ID: license}}},
			Hashes:     &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: sum}},
			PackageURL: url,
		})
		var refs []string
		for _, library := range librariesOf(info) {
			libraries[library.BOMRef] = library
			refs = append(refs, library.BOMRef)
		}
		slices.Sort(refs)
		dependencies = append(dependencies, cdx.Dependency{Ref: url, Dependencies: &refs})
	}
	var refs []string
	for _, a := range applications {
		refs = append(refs, a.BOMRef)
	}
	dependencies = append([]cdx.Dependency{{Ref: image.BOMRef, Dependencies: &refs}}, dependencies...)
	components := applications
	for _, ref := range slices.Sorted(maps.Keys(libraries)) {
		components = append(components, libraries[ref])
		dependencies = append(dependencies, cdx.Dependency{Ref: ref})
	}

	bom := cdx.NewBOM()
	// One for each image, and the same for the same image.
	bom.SerialNumber = uuid.NewSHA1(uuid.NameSpaceURL, []byte(image.PackageURL)).URN()
	bom.Metadata = &cdx.Metadata{Timestamp: b.created.UTC().Format(time.RFC3339), Component: &image}
	bom.Components, bom.Dependencies = &components, &dependencies
	return bom, nil
}

// component is the image itself.
func (b bill) component() cdx.Component {
	url := packageurl.NewPackageURL(packageurl.TypeOCI, "", path.Base(b.name), b.image.String(),
		packageurl.QualifiersFromMap(map[string]string{"arch": b.arch, "tag": b.version}), "").ToString()
	return cdx.Component{
		BOMRef:      url,
		Type:        cdx.ComponentTypeContainer,
		Name:        b.name,
		Version:     b.version,
		Description: summary,
		Licenses:    &cdx.Licenses{{License: &cdx.License{ID: license}}},
		Hashes:      &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: b.image.Hex}},
		PackageURL:  url,
		ExternalReferences: &[]cdx.ExternalReference{
			{Type: cdx.ERTypeVCS, URL: source},
		},
	}
}

// librariesOf are the modules that a program was linked from, and Go's standard
// library, under the name by which scanners know it.
func librariesOf(info *debug.BuildInfo) []cdx.Component {
	version, _, _ := strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), " ") // without experiments
	url := packageURL("stdlib", version, nil, "")
	libraries := []cdx.Component{{
		BOMRef:     url,
		Type:       cdx.ComponentTypeLibrary,
		Name:       "stdlib",
		Version:    "go" + version,
		CPE:        "cpe:2.3:a:golang:go:" + version + ":*:*:*:*:*:*:*",
		Scope:      cdx.ScopeRequired,
		PackageURL: url,
	}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		url := packageURL(m.Path, m.Version, nil, "")
		library := cdx.Component{
			BOMRef:     url,
			Type:       cdx.ComponentTypeLibrary,
			Name:       m.Path,
			Version:    m.Version,
			Scope:      cdx.ScopeRequired,
			PackageURL: url,
		}
		// The sum of go.sum is a SHA-256 over those of the module's files.
		if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && len(sum) == sha256.Size {
			library.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}}
		}
		libraries = append(libraries, library)
	}
	return libraries
}

// packageURL is that of a Go module, and of the directory sub in it.
func packageURL(module, version string, qualifiers packageurl.Qualifiers, sub string) string {
	namespace, name := path.Split(module)
	return packageurl.NewPackageURL(packageurl.TypeGolang, strings.TrimSuffix(namespace, "/"), name, version, qualifiers, sub).ToString()
}

func sha256Of(file string) (string, error) {
	in, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer in.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, in); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
