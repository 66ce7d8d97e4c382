package capture

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Seen is what passed of one source to one group on one link in one direction.
type Seen struct {
	Link          int // index
	Direction     Direction
	VLAN          uint16 // 0: none
	Source, Group netip.Addr
	Packets       uint64
	Bytes         uint64 // of IP packets, headers included
	MinTTL        uint8
	MaxTTL        uint8
	Largest       int // length of the largest packet, in bytes
	First, Last   time.Time
}

// maxSeen is how many different rows a survey has. Sources can be made up.
const maxSeen = 4096

// Survey is what a capture saw in a while.
type Survey struct {
	Seen   []Seen // by link, direction, VLAN, source and group
	Beyond uint64 // packets that Seen had no more room for
	Stats  Stats
}

// Survey listens until ctx is done, and tells what passed since the capture was opened.
func (c *Capture) Survey(ctx context.Context) (*Survey, error) {
	type key struct {
		link          int
		direction     Direction
		vlan          uint16
		source, group netip.Addr
	}
	seen := map[key]*Seen{}
	s := &Survey{}
	err := c.Run(ctx, func(p *Packet) {
		k := key{p.Link, p.Direction, p.VLAN, p.Source, p.Group}
		row := seen[k]
		if row == nil {
			if len(seen) == maxSeen {
				s.Beyond++
				return
			}
			row = &Seen{
				Link: p.Link, Direction: p.Direction, VLAN: p.VLAN, Source: p.Source, Group: p.Group,
				MinTTL: p.TTL, First: time.Unix(0, p.Time),
			}
			seen[k] = row
		}
		row.Packets++
		row.Bytes += uint64(p.Length)
		row.MinTTL, row.MaxTTL = min(row.MinTTL, p.TTL), max(row.MaxTTL, p.TTL)
		row.Largest = max(row.Largest, p.Length)
		row.Last = time.Unix(0, p.Time)
	})
	if err != nil {
		return nil, err
	}
	for _, row := range slices.SortedFunc(maps.Values(seen), (*Seen).compare) {
		s.Seen = append(s.Seen, *row)
	}
	s.Stats, err = c.Stats()
	return s, err
}

func (s *Seen) compare(other *Seen) int {
	return cmp.Or(
		cmp.Compare(s.Link, other.Link),
		cmp.Compare(s.Direction, other.Direction),
		cmp.Compare(s.VLAN, other.VLAN),
		s.Source.Compare(other.Source),
		s.Group.Compare(other.Group),
	)
}
