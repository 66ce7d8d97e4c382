// Package oci makes container images of static files, without a container
// engine: the files, one layer of them, an image for each architecture, an index
// of these, and an archive that a container runtime imports.
//
//	index, err := oci.Index(oci.Image{
//		Files:  []oci.File{oci.Program("bin/pause")},
//		Config: v1.Config{Entrypoint: []string{"/pause"}},
//	})
//	digest, err := oci.Write("pause.tar", "pause:1", index)
//
// and then "ctr --namespace k8s.io images import pause.tar". The same files and
// configuration give the same bytes, whenever and wherever they are written, with
// one version of Go: it is its gzip that compresses.
package oci

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image is one for Linux on one architecture.
type Image struct {
	Arch    string    // as GOARCH has it; empty is this machine's
	Files   []File    // in any order, at most one for each path
	Config  v1.Config // what runs, as whom, and labels
	Created time.Time // in whole seconds; the zero value is the begin of 1970
}

// Build makes the image. A file that cannot be read is an error, and so is one
// that is there twice.
func (i Image) Build() (v1.Image, error) {
	arch := i.Arch
	if arch == "" {
		arch = runtime.GOARCH
	}
	created := i.Created.UTC().Truncate(time.Second)
	if i.Created.IsZero() {
		created = time.Unix(0, 0).UTC()
	}
	layer, err := layerOf(i.Files)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: v1.Time{Time: created}, CreatedBy: "static files"},
	})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", arch
	config.Created = v1.Time{Time: created}
	config.Config = i.Config
	return mutate.ConfigFile(image, config)
}

// Index builds the images, in their order, into the one that runtimes choose from
// by their architecture.
func Index(images ...Image) (v1.ImageIndex, error) {
	if len(images) == 0 {
		return nil, errors.New("an index of no image: expected one for each architecture")
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	seen := map[string]bool{}
	for _, i := range images {
		image, err := i.Build()
		if err != nil {
			return nil, err
		}
		config, err := image.ConfigFile()
		if err != nil {
			return nil, err
		}
		platform := config.Platform()
		if seen[platform.Architecture] {
			return nil, fmt.Errorf("two images for %s: expected one for each architecture", platform.Architecture)
		}
		seen[platform.Architecture] = true
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: platform},
		})
	}
	return index, nil
}
