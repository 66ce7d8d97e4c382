package oci

import (
	"archive/tar"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// Write writes the index, with all that it refers to, to a file that
// "ctr images import" takes: an OCI image layout in a tar archive. There it gets
// the name, as [Reference] has it. It returns the digest of the index.
//
// The file is complete or not there, and an older one stays until then.
func Write(file, name string, index v1.ImageIndex) (v1.Hash, error) {
	ref, err := Reference(name)
	if err != nil {
		return v1.Hash{}, err
	}
	digest, err := index.Digest()
	if err != nil {
		return v1.Hash{}, err
	}
	// Beside the file, since there is room for it.
	dir, err := os.MkdirTemp(filepath.Dir(file), ".image-")
	if err != nil {
		return v1.Hash{}, err
	}
	defer os.RemoveAll(dir)
	path, err := layout.Write(filepath.Join(dir, "layout"), empty.Index)
	if err != nil {
		return v1.Hash{}, err
	}
	err = path.AppendIndex(index, layout.WithAnnotations(map[string]string{
		"io.containerd.image.name":          ref.String(), // containerd's, podman's
		"org.opencontainers.image.ref.name": ref.Tag(),    // the specification's
	}))
	if err != nil {
		return v1.Hash{}, err
	}
	temp := filepath.Join(dir, "tar")
	if err := archive(temp, string(path)); err != nil {
		return v1.Hash{}, err
	}
	return digest, os.Rename(temp, file)
}

// archive writes the files in dir into a new tar archive, sorted, and with
// nothing of this machine but their names and contents.
func archive(file, dir string) (err error) {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() {
		if e := out.Close(); err == nil {
			err = e
		}
	}()
	w := tar.NewWriter(out)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: filepath.ToSlash(name), Mode: 0o644, ModTime: time.Unix(0, 0)}
		if d.IsDir() {
			header.Typeflag, header.Name, header.Mode = tar.TypeDir, header.Name+"/", 0o755
			return w.WriteHeader(header)
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		info, err := in.Stat()
		if err != nil {
			return err
		}
		header.Size = info.Size()
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		_, err = io.Copy(w, in)
		return err
	})
	if err != nil {
		return err
	}
	return w.Close()
}
