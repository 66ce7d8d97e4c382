package agent

import (
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// outline is what is kept of a reading, to tell whether another would be the same.
type outline struct {
	sum      uint64   // of all that was read, and of why what was not
	files    []string // paths of what was read, the first being that of the file itself
	patterns []string // of includes
}

// changed reports whether there is another text than that of the reading, or a file
// more or less. It does without looking at lines: as long as all texts are the same, so
// are the patterns in them. Nor does it keep a text in memory.
func (o *outline) changed() bool {
	sum := newDigest()
	sum.first(sumText(openFirst(o.files[0], true)))
	for _, p := range o.patterns {
		err := include(p, func(name string) error {
			text, err := sumText(openRegular(name))
			if err == nil {
				sum.file(name, text)
			}
			return err
		})
		sum.included(p, err)
	}
	return sum.Sum64() != o.sum
}

// sumText is the sum of the text of a file that was opened, if it could be, and closes it.
func sumText(f *os.File, err error) (uint64, error) {
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var sum maphash.Hash
	sum.SetSeed(seed)
	_, err = io.Copy(&sum, f)
	return sum.Sum64(), err
}

// digest is the sum of what is read.
type digest struct{ maphash.Hash }

var seed = maphash.MakeSeed()

func newDigest() *digest {
	d := &digest{}
	d.SetSeed(seed)
	return d
}

// first adds the file itself, of whose text it takes the sum.
func (d *digest) first(text uint64, err error) {
	if err != nil {
		text = 0
	}
	d.add("file", "", text, err)
}

// file adds one that is included, of whose text it takes the sum.
func (d *digest) file(name string, text uint64) { d.add("included", name, text, nil) }

// included adds that a pattern's files were read, and what could not be.
func (d *digest) included(pattern string, err error) { d.add("include", pattern, 0, err) }

func (d *digest) add(kind, name string, sum uint64, err error) {
	_, _ = fmt.Fprintf(d, "%s %q %d %q\n", kind, name, sum, fmt.Sprint(err))
}

// dirs are the directories in which another reading can come to be: those of
// the files, where symbolic links to them lie, and where files lie that
// patterns would catch. In the place of one that is not there is the one where
// it, or one above it, would come to be.
func (o *outline) dirs() []string {
	all := map[string]bool{}
	add := func(dir string) {
		for {
			_, err := os.Stat(dir)
			if err == nil || dir == filepath.Dir(dir) {
				break
			}
			dir = filepath.Dir(dir)
		}
		all[dir] = true
	}
	for _, f := range o.files {
		add(filepath.Dir(f))
		if to, err := filepath.EvalSymlinks(f); err == nil {
			add(filepath.Dir(to))
		}
	}
	for _, p := range o.patterns {
		dir := filepath.Dir(p)
		add(dir)
		found, _ := glob(dir) // it may be a pattern, too
		for _, d := range found {
			add(d)
		}
	}
	return slices.Sorted(maps.Keys(all))
}
