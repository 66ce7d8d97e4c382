package oci

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// File is a file or directory of an image. All belong to root.
type File struct {
	Path string      // in the image, such as /etc/passwd
	Mode fs.FileMode // permissions; with fs.ModeDir a directory, of use with fs.ModeSticky

	// Of a file, its content: that of the file From of this machine, which
	// stays as it is until the image is written, or else Data.
	From string
	Data []byte
}

// Program is the executable file called from, in the image's root directory.
func Program(from string) File {
	return File{Path: "/" + filepath.Base(from), Mode: 0o755, From: from}
}

// layerOf makes one layer of the files and of the directories that they are in,
// sorted by their paths.
func layerOf(files []File) (v1.Layer, error) {
	files, err := complete(files)
	if err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		// Ends when all is written, or when the reader is closed.
		go func() { w.CloseWithError(writeLayer(w, files)) }()
		return r, nil
	}
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}

// complete returns the files sorted, with the directories that they are in.
func complete(files []File) ([]File, error) {
	byPath := map[string]File{}
	for _, f := range files {
		if !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || f.Path == "/" {
			return nil, fmt.Errorf("%q is no path of a file in an image: expected one like /etc/passwd", f.Path)
		}
		if _, twice := byPath[f.Path]; twice {
			return nil, fmt.Errorf("%s is there twice", f.Path)
		}
		byPath[f.Path] = f
	}
	for _, f := range files {
		for dir := path.Dir(f.Path); dir != "/"; dir = path.Dir(dir) {
			parent, ok := byPath[dir]
			if ok && !parent.Mode.IsDir() {
				return nil, fmt.Errorf("%s is in %s, which is a file", f.Path, dir)
			}
			if !ok {
				byPath[dir] = File{Path: dir, Mode: fs.ModeDir | 0o755}
			}
		}
	}
	complete := make([]File, 0, len(byPath))
	for _, f := range byPath {
		complete = append(complete, f)
	}
	slices.SortFunc(complete, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return complete, nil
}

func writeLayer(to io.Writer, files []File) error {
	w := tar.NewWriter(to)
	for _, f := range files {
		if err := f.write(w); err != nil {
			return err
		}
	}
	return w.Close()
}

func (f File) write(w *tar.Writer) error {
	header := &tar.Header{
		Name:    strings.TrimPrefix(f.Path, "/"),
		Mode:    mode(f.Mode),
		ModTime: time.Unix(0, 0),
		Format:  tar.FormatUSTAR, // no times or names of this machine
	}
	if f.Mode.IsDir() {
		header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
		return w.WriteHeader(header)
	}
	if !f.Mode.IsRegular() {
		return fmt.Errorf("%s would be a %v: expected a file or a directory", f.Path, f.Mode.Type())
	}
	header.Typeflag, header.Size = tar.TypeReg, int64(len(f.Data))
	content := io.Reader(bytes.NewReader(f.Data))
	if f.From != "" {
		from, err := os.Open(f.From)
		if err != nil {
			return err
		}
		defer from.Close()
		info, err := from.Stat()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a file", f.From)
		}
		content, header.Size = from, info.Size()
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(w, content)
	return err
}

// mode is what chmod and tar call m's permissions.
func mode(m fs.FileMode) int64 {
	bits := int64(m.Perm())
	for flag, bit := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&flag != 0 {
			bits |= bit
		}
	}
	return bits
}
