package agent

import (
	"path/filepath"
	"slices"
	"strings"
)

// glob lists the files that a pattern names as glob(3) does, in alphabetic
// order. Other than with [filepath.Glob] "[!a]" is every character but a, and
// only a dot in the pattern stands for one at the beginning of a name.
func glob(pattern string) ([]string, error) {
	names, err := filepath.Glob(negations(pattern))
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return hiddenFrom(n, pattern) })
	slices.Sort(names)
	return names, nil
}

// negations turns each "[!" that begins a class into "[^".
func negations(pattern string) string {
	b := []byte(pattern)
	class := false
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\\':
			i++
		case b[i] == ']':
			class = false
		case b[i] == '[' && !class:
			class = true
			if i+1 < len(b) && b[i+1] == '!' {
				b[i+1] = '^'
			}
		}
	}
	return string(b)
}

// hiddenFrom reports whether a part of name begins with a dot where the pattern
// has none. Parts are compared from the last one on: Glob may leave out "./" in
// front.
func hiddenFrom(name, pattern string) bool {
	names, patterns := parts(name), parts(pattern)
	for i := range min(len(names), len(patterns)) {
		n, p := names[len(names)-1-i], patterns[len(patterns)-1-i]
		if n[0] == '.' && p[0] != '.' && !strings.HasPrefix(p, `\.`) {
			return true
		}
	}
	return false
}

// parts are the names between slashes.
func parts(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}
