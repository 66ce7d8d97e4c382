package main

import (
	"context"
	"fmt"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// push writes the index and its images to the registry of ref. Credentials are
// those of docker login and podman login. HTTP without TLS is tried only if the
// registry's address is on loopback or a private one.
func push(ctx context.Context, ref reference.NamedTagged, index v1.ImageIndex) error {
	tag, err := name.NewTag(ref.String())
	if err != nil {
		return err
	}
	err = remote.WriteIndex(tag, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return fmt.Errorf("pushing %s: %w", ref, err)
	}
	return nil
}
