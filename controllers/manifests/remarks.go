package manifests

import (
	"context"
	"log/slog"
	"maps"
	"slices"
)

// levelNotice is between info and warn. It is what the programs log at least
// unless told otherwise, so that who saw a problem sees that it is gone.
const levelNotice = slog.LevelInfo + 2

// remarks are what was said of the files, so that nothing is said twice.
type remarks struct {
	problems map[string]bool // their text
	foreign  map[string]bool
	bad      map[string]bool // files with problems
}

// update logs what is new.
func (s *remarks) update(log *slog.Logger, c *catalog) {
	problems, foreign, bad := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, p := range c.problems {
		text := p.String()
		problems[text], bad[p.File] = true, true
		if !s.problems[text] {
			log.Warn(text)
		}
	}
	for _, text := range c.foreign {
		foreign[text] = true
		if !s.foreign[text] {
			log.Info(text + " is not for this program")
		}
	}
	for _, file := range slices.Sorted(maps.Keys(s.bad)) {
		if !bad[file] {
			log.Log(context.Background(), levelNotice, file+": no more problems")
		}
	}
	s.problems, s.foreign, s.bad = problems, foreign, bad
}
