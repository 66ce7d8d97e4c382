package main

import (
	"os"

	"golang.org/x/term"
)

// defaultWidth is the width of a terminal that does not tell.
const defaultWidth = 79

// terminalWidth is the number of columns of the first of files that is a
// terminal. The kernel is asked; SMCRoute asks the terminal itself, with escape
// sequences that also go into files.
func terminalWidth(files ...any) int {
	for _, f := range files {
		if f, ok := f.(*os.File); ok {
			if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
				return width
			}
		}
	}
	return defaultWidth
}
