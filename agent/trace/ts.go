package trace

// tsSize is the length of a packet of MPEG-TS (ISO/IEC 13818-1, section 2.4.3.2).
const tsSize = 188

const (
	tsSync = 0x47
	tsNull = 0x1fff // PID of packets that fill up

	// maxPIDs is how many are followed at one point.
	maxPIDs = 256
)

// isTS reports whether a payload of size bytes, of which b was captured, looks like packets
// of MPEG-TS.
func isTS(b []byte, size int) bool {
	if size == 0 || size%tsSize != 0 || len(b) == 0 {
		return false
	}
	for ; len(b) > 0; b = b[min(tsSize, len(b)):] {
		if b[0] != tsSync {
			return false
		}
	}
	return true
}

// continuity follows the continuity counters of the PIDs of an MPEG-TS.
type continuity struct {
	pids   map[uint16]*counter
	beyond uint64 // packets of PIDs that are not followed
	broken uint64 // packets with transport_error_indicator
	cut    bool   // packets were not captured as a whole, so nothing is known
}

// counter is that of one PID.
type counter struct {
	last     uint8
	repeated bool
	packets  uint64
	errors   uint64
}

// take takes the payload of a packet.
func (c *continuity) take(b []byte, size int) {
	if len(b) < size {
		c.cut = true
		return
	}
	for ; len(b) >= tsSize; b = b[tsSize:] {
		c.packet(b[:tsSize])
	}
}

// packet follows one packet of MPEG-TS (sections 2.4.3.3 and 2.4.3.5).
func (c *continuity) packet(b []byte) {
	if b[1]&0x80 != 0 {
		c.broken++ // its header may be, too
		return
	}
	pid := uint16(b[1]&0x1f)<<8 | uint16(b[2])
	if pid == tsNull {
		return
	}
	count := b[3] & 0xf
	pays, adapts := b[3]&0x10 != 0, b[3]&0x20 != 0
	leaps := adapts && b[4] > 0 && b[5]&0x80 != 0 // discontinuity_indicator
	p := c.pids[pid]
	if p == nil {
		if len(c.pids) == maxPIDs {
			c.beyond++
			return
		}
		if c.pids == nil {
			c.pids = map[uint16]*counter{}
		}
		c.pids[pid] = &counter{last: count, packets: 1}
		return
	}
	p.packets++
	switch {
	case leaps, pays && count == (p.last+1)&0xf:
		p.repeated = false
	case !pays && count == p.last:
	case pays && count == p.last && !p.repeated:
		p.repeated = true // a packet may be sent twice, in a row
	default:
		p.errors++
		p.repeated = false
	}
	p.last = count
}
