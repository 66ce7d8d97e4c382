package manifests

import (
	"bytes"
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
	written map[string][]byte
}

// openStatusDirectory makes the directory if need be.
func openStatusDirectory(path string) (*statusDirectory, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	return &statusDirectory{path: path, written: map[string][]byte{}}, nil
}

// read returns what an earlier agent has written.
func (d *statusDirectory) read(name string) ([]byte, error) {
	text, _, err := readFile(filepath.Join(d.path, name))
	return text, err
}

// write makes the directory hold these files. Those that are as they should be
// are not touched, and each of the others is replaced at once.
func (d *statusDirectory) write(want map[string][]byte) error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	var errs []error
	there := map[string]bool{}
	for _, e := range entries {
		name := e.Name()
		there[name] = true
		if want[name] != nil || !e.Type().IsRegular() || !isStatusFile(name) {
			continue
		}
		delete(d.written, name)
		if err := os.Remove(filepath.Join(d.path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		text := want[name]
		if there[name] && bytes.Equal(d.written[name], text) {
			continue
		}
		if err := replaceFile(filepath.Join(d.path, name), text); err != nil {
			errs = append(errs, err)
			continue
		}
		d.written[name] = text
	}
	return errors.Join(errs...)
}

// isStatusFile reports whether a name is one that write gives, or left behind
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
