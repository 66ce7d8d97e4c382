// Package section replaces the sections of documents that programs write.
package section

import (
	"fmt"
	"os"
	"strings"
)

// Replace puts text between two lines of a file, which stay. Both must be there.
func Replace(file, begin, end, text string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(b), begin+"\n")
	_, after, ok2 := strings.Cut(rest, end+"\n")
	if !ok || !ok2 {
		return fmt.Errorf("%s: expected the lines %q and %q", file, begin, end)
	}
	return os.WriteFile(file, []byte(before+begin+"\n"+text+end+"\n"+after), 0o666)
}
