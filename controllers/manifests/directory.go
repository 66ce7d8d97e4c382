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
	"time"

	"github.com/smcroute/kube-smcroute/controllers/dirwatch"
)

// maxFile is how large a file may be.
const maxFile = 16 << 20

// extensions are those of the files that count.
var extensions = []string{".yaml", ".yml", ".json"}

// file is a file of the directory as it was read.
type file struct {
	name string
	text []byte
	time time.Time // when it was written to last
	err  error     // why there is no text
}

// unsettled reports whether some file may be half written: it was written to a
// moment before they were read, or meanwhile, and there is more to come perhaps.
// They were read between two times. A file of the future is not waited for.
func unsettled(files []file, from, to time.Time) bool {
	return slices.ContainsFunc(files, func(f file) bool {
		return f.err == nil && from.Sub(f.time) < dirwatch.Settle && !f.time.After(to)
	})
}

// emptied reports whether a file has nothing in it that had something before: it
// is about to be written anew, as a rule. The kernel cuts a file off a moment
// before it notes the time, so unsettled may not see it.
func emptied(before, files []file) bool {
	return slices.ContainsFunc(files, func(f file) bool {
		return f.err == nil && len(f.text) == 0 &&
			slices.ContainsFunc(before, func(b file) bool { return b.name == f.name && len(b.text) > 0 })
	})
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
		f.text, f.time, f.err = readFile(filepath.Join(dir, e.Name()))
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
func readFile(path string) (text []byte, written time.Time, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, written, plain(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	}
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("larger than %d MiB", maxFile>>20)
	}
	if err != nil {
		return nil, written, plain(err)
	}
	// Only now: it may have been written to while it was read.
	if info, err = f.Stat(); err != nil {
		return nil, written, plain(err)
	}
	return text, info.ModTime(), nil
}

// plain takes the path off an error: it stands in front of it already.
func plain(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
