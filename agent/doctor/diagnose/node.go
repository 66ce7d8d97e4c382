package diagnose

import (
	"fmt"
	"maps"
	"slices"
)

// node looks at what is not of one flow alone.
func (d *diagnosis) node() {
	for _, name := range slices.Sorted(maps.Keys(d.used)) {
		l := d.links[name]
		if l == nil || len(l.Risen) == 0 || !l.Up || !l.Carrier { // that is why
			continue
		}
		f := Finding{
			ID: NICDrops, Severity: Risk, Link: name,
			Text: fmt.Sprintf("%s drops packets, of whatever kind", name),
			Fix:  []string{"ip -s -s link show dev " + name, "ethtool -S " + name + " # and a larger ring: ethtool -G " + name + " rx N"},
		}
		for _, counter := range slices.Sorted(maps.Keys(l.Risen)) {
			f.Evidence = append(f.Evidence, fmt.Sprintf("%s of %s rose by %d", counter, name, l.Risen[counter]))
		}
		d.find(f)
	}
}
