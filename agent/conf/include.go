package conf

import (
	"slices"
	"strconv"
	"strings"
)

// include reads the line behind the word include, and the files that it names.
// A file is read once: to read it again could add nothing but "already joined",
// and many files that include each other would take time without end.
func (p *parser) include(l *line) {
	pattern, column := l.next()
	if pattern == "" || comment(pattern) {
		p.error(column, "include without a file: expected a file name or glob pattern behind it")
		return
	}
	for {
		word, column := l.next()
		if word == "" || comment(word) {
			break
		}
		p.unknown(word, column, "the end of the line behind the pattern")
	}
	if p.opt.Include == nil {
		p.error(column, "include "+quote(pattern)+": expected no include, as other files cannot be read here")
		return
	}
	if len(p.open) > MaxIncludeDepth {
		p.error(column, "include "+quote(pattern)+" nests too deep: expected at most "+strconv.Itoa(MaxIncludeDepth)+" levels")
		return
	}
	files, err := p.opt.Include(pattern)
	if err != nil {
		// What could be read before the error counts.
		p.error(column, "include "+quote(pattern)+": "+err.Error())
	} else if len(files) == 0 {
		p.info(column, "include "+quote(pattern)+" names no file")
	}
	for _, f := range files {
		if i := slices.Index(p.open, f.Name); i >= 0 {
			p.error(column, "include "+quote(pattern)+" names a file that is being read already: "+
				strings.Join(append(slices.Clone(p.open[i:]), f.Name), " includes "))
			continue
		}
		if first, ok := p.read[f.Name]; ok {
			p.info(column, "include "+quote(pattern)+" names "+f.Name+", which was read already at "+first.file+":"+strconv.Itoa(first.line))
			continue
		}
		if p.read == nil {
			p.read = make(map[string]position)
		}
		p.read[f.Name] = position{p.name, p.line}
		p.file(f)
	}
}
