package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// maxFile is how large a file may be.
const maxFile = 16 << 20

// extensions are those of the files that count.
var extensions = []string{".yaml", ".yml", ".json"}

// file is a file of the directory as it was read.
type file struct {
	name string
	text []byte
	err  error // why there is no text
}

func (f file) equal(g file) bool {
	return f.name == g.name && bytes.Equal(f.text, g.text) && (f.err == nil) == (g.err == nil) &&
		(f.err == nil || f.err.Error() == g.err.Error())
}

// readDirectory reads the files of dir that count, in the order of their names:
// not those in directories below, and none whose name begins with a dot, which
// editors and Kubernetes' volumes keep their own things under. The error is that
// the directory itself cannot be read.
func readDirectory(dir string) ([]file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []file
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || !slices.Contains(extensions, filepath.Ext(e.Name())) || e.IsDir() {
			continue
		}
		f := file{name: e.Name()}
		f.text, f.err = readFile(filepath.Join(dir, e.Name()))
		if errors.Is(f.err, fs.ErrNotExist) && !isLink(e) {
			continue // it has gone since
		}
		files = append(files, f)
	}
	return files, nil
}

func isLink(e fs.DirEntry) bool { return e.Type()&fs.ModeSymlink != 0 }

// readFile reads a regular file, or what a symbolic link leads to. A FIFO or a
// device must hold nobody up.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, plain(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, plain(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, plain(err)
	case len(text) > maxFile:
		return nil, fmt.Errorf("larger than %d MiB", maxFile>>20)
	}
	return text, nil
}

// plain takes the path off an error: it stands in front of it already.
func plain(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
