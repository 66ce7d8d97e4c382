package manifests

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// maxName is how long a file's name may be: NAME_MAX of limits.h, less
// temporary.
const maxName = 255 - len(temporary)

// Prefixes of the names of status files: the short names of the kinds.
const (
	routePrefix = "mcroute."
	groupPrefix = "mcgroup."
	nodePrefix  = "mcns."
)

// statusFile is the name of an object's status file: "mcroute.tv.studio.yaml".
// A namespace has no dot in it, so no two objects have the same.
func statusFile(k Key) string {
	prefix := routePrefix
	if k.Kind == translate.GroupKind {
		prefix = groupPrefix
	}
	return fileName(prefix + k.Namespace + "." + k.Name)
}

func nodeFile(node string) string { return fileName(nodePrefix + node) }

// fileName shortens what is too long for a file's name.
func fileName(s string) string {
	const extension = ".yaml"
	if len(s)+len(extension) > maxName {
		tail := fmt.Sprintf(".%x", sha256.Sum256([]byte(s)))
		s = s[:maxName-len(extension)-len(tail)] + tail
	}
	return s + extension
}

// statusDirectory holds one file for each object, and no others of such names.
type statusDirectory struct {
	path    string
	written map[string]sum
}

// sum stands for a text that was written: of all objects they would take much memory.
type sum [sha256.Size]byte

// openStatusDirectory makes the directory if need be.
func openStatusDirectory(path string) (*statusDirectory, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	return &statusDirectory{path: path, written: map[string]sum{}}, nil
}

// read returns what an earlier agent has written.
func (d *statusDirectory) read(name string) ([]byte, error) {
	text, _, err := readFile(filepath.Join(d.path, name))
	return text, err
}

// writing brings the directory up to date, file by file. Those that are as they should be
// are not touched, and each of the others is replaced at once.
type writing struct {
	*statusDirectory
	there, wanted map[string]bool
	errs          []error
}

// begin begins to write.
func (d *statusDirectory) begin() (*writing, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	w := &writing{statusDirectory: d, there: make(map[string]bool, len(entries)), wanted: map[string]bool{}}
	for _, e := range entries {
		w.there[e.Name()] = e.Type().IsRegular()
	}
	return w, nil
}

// keep has a file stay as it was written last, and reports whether it is there.
func (w *writing) keep(name string) bool {
	w.wanted[name] = true
	_, is := w.there[name]
	_, was := w.written[name]
	return is && was
}

// put has a file hold a text.
func (w *writing) put(name string, text []byte) {
	now := sum(sha256.Sum256(text))
	if w.keep(name) && w.written[name] == now {
		return
	}
	if err := replaceFile(filepath.Join(w.path, name), text); err != nil {
		w.errs = append(w.errs, err)
		delete(w.written, name) // so that it is tried again
		return
	}
	w.written[name] = now
}

// end removes the files that nobody has asked for.
func (w *writing) end() error {
	for _, name := range slices.Sorted(maps.Keys(w.there)) {
		if w.wanted[name] || !w.there[name] || !isStatusFile(name) {
			continue
		}
		delete(w.written, name)
		if err := os.Remove(filepath.Join(w.path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.errs = append(w.errs, err)
		}
	}
	return errors.Join(w.errs...)
}

// isStatusFile reports whether a name is one that statusFile or nodeFile gives, or left behind
// when it was interrupted.
func isStatusFile(name string) bool {
	name = strings.TrimPrefix(name, temporary)
	return strings.HasSuffix(name, ".yaml") && (strings.HasPrefix(name, routePrefix) ||
		strings.HasPrefix(name, groupPrefix) || strings.HasPrefix(name, nodePrefix))
}

// temporary is what the name of a file begins with while it is written.
const temporary = ".new."

func replaceFile(path string, text []byte) error {
	dir, name := filepath.Split(path)
	new := filepath.Join(dir, temporary+name)
	// It may be left over. In a directory where others may write, it may also be
	// a link to a file that they may not.
	if err := os.Remove(new); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(new, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := cmp.Or(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(new, path)
}
