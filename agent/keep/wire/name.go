package wire

import "fmt"

// MaxName is the longest name in bytes, which is systemd's limit, too.
const MaxName = 255

// CheckName says why a name cannot be one: it is empty, long, or has characters
// that are not printable ASCII, or a colon. systemd's fd store has the same rule.
func CheckName(name string) error {
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("the name %.20q has %d bytes: expected 1 to %d", name, len(name), MaxName)
	}
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' || c == ':' {
			return fmt.Errorf("the name %q has %q in it: expected printable ASCII without colons", name, c)
		}
	}
	return nil
}
