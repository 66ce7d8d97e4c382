// Image makes the image kube-smcroute without a container engine: it builds the
// programs for each architecture and writes
//
//	dist/kube-smcroute-1.2.3.tar             for "ctr --namespace k8s.io images import"
//	dist/kube-smcroute-1.2.3-amd64.cdx.json  what is in it: a CycloneDX bill of materials
//	dist/kube-smcroute-1.2.3-arm64.cdx.json
//	dist/linux-amd64/, dist/linux-arm64/     the programs
//
// The image starts from nothing: static programs in the root directory, users
// root and nobody, an empty /tmp and /run. It runs as nobody (65532) unless a
// manifest says otherwise. The archive holds all architectures; a node takes its
// own from it.
//
// # Images
//
// From a clone, for the nodes of a cluster without a registry:
//
//	make image                                                  # or: go run ./hack/image -version 1.2.3
//	scp dist/kube-smcroute-1.2.3.tar NODE:
//	ssh NODE ctr --namespace k8s.io images import kube-smcroute-1.2.3.tar
//
// Pods find it there as kube-smcroute:1.2.3, if their imagePullPolicy is
// IfNotPresent or Never. Into a registry, with the credentials that
// "docker login" or "podman login" left in ~/.docker/config.json or auth.json:
//
//	go run ./hack/image -version 1.2.3 -push registry.example/kube-smcroute:1.2.3
//
// It prints the digest, for manifests that name the image by it. The same commit,
// version and Go give the same digest on every machine: the image has no times of
// its own (that of the commit, or of SOURCE_DATE_EPOCH in seconds since 1970), no
// paths and no names. With an engine, the Dockerfile makes an image of the same
// files:
//
//	docker build --build-arg VERSION=1.2.3 --tag kube-smcroute:1.2.3 .
//
// # Other images
//
// With -file it builds nothing, and makes an image for one architecture of static
// files that are there. The words after the options are what runs:
//
//	go run ./hack/image -name pause -version 1 -file bin/pause:/pause -- /pause
//
// Package oci, below, is the same for programs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/smcroute/kube-smcroute/hack/image/oci"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	var index v1.ImageIndex
	if len(o.files) > 0 {
		index, err = oci.Index(oci.Image{
			Arch:   o.archs[0],
			Files:  o.files,
			Config: v1.Config{User: o.user, Entrypoint: o.entrypoint},
		})
	} else {
		var root string
		if root, err = moduleRoot(ctx); err == nil {
			index, err = release{root: root, programs: programs, name: o.name, version: o.version, archs: o.archs, out: o.out}.build(ctx, stdout, stderr)
		}
	}
	if err != nil {
		return err
	}
	file := filepath.Join(o.out, o.base()+".tar")
	digest, err := oci.Write(file, o.name+":"+o.version, index)
	if err != nil {
		return err
	}
	if err := printSizes(stdout, index); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s: %s:%s %s\n", file, o.name, o.version, digest)
	if o.push != nil {
		if err := push(ctx, o.push, index); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s@%s\n", o.push, digest)
	}
	return nil
}

// printSizes tells the sizes of the images, compressed and unpacked.
func printSizes(w io.Writer, index v1.ImageIndex) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, m := range manifest.Manifests {
		image, err := index.Image(m.Digest)
		if err != nil {
			return err
		}
		packed, unpacked, err := oci.Size(image)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s: %.1f MB, unpacked %.1f MB\n", m.Platform, float64(packed)/1e6, float64(unpacked)/1e6)
	}
	return nil
}
