package oci

import (
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Size returns the bytes of an image's layers, as they travel and unpacked into a
// tar archive.
func Size(image v1.Image) (packed, unpacked int64, err error) {
	layers, err := image.Layers()
	if err != nil {
		return 0, 0, err
	}
	for _, layer := range layers {
		n, err := layer.Size()
		if err != nil {
			return 0, 0, err
		}
		packed += n
		content, err := layer.Uncompressed()
		if err != nil {
			return 0, 0, err
		}
		n, err = io.Copy(io.Discard, content)
		content.Close()
		if err != nil {
			return 0, 0, err
		}
		unpacked += n
	}
	return packed, unpacked, nil
}
