package trace

import (
	"bytes"
	"testing"
)

func TestDecodeRTP(t *testing.T) {
	header := []byte{0x80, 96, 0x12, 0x34, 0, 0, 0, 1, 0xfe, 0xed, 0xbe, 0xef}
	change := func(at int, value byte, more ...byte) []byte {
		b := append(bytes.Clone(header), more...)
		b[at] = value
		return b
	}
	for _, tt := range []struct {
		name    string
		b       []byte
		size    int // 0: all
		ok      bool
		payload string
	}{
		{"a header", header, 0, true, ""},
		{"a payload", append(bytes.Clone(header), "abc"...), 0, true, "abc"},
		{"cut off", append(bytes.Clone(header), "abc"...), 99, true, "abc"},
		{"contributing sources", change(0, 0x82, []byte("11112222abc")...), 0, true, "abc"},
		{"more of them than there is", change(0, 0x8f, []byte("1111")...), 0, false, ""},
		{"an extension", change(0, 0x90, append([]byte{0xbe, 0xde, 0, 1}, "exteabc"...)...), 0, true, "abc"},
		{"an extension beyond the end", change(0, 0x90, 0xbe, 0xde, 0xff, 0xff), 0, false, ""},
		{"half an extension", change(0, 0x90, 0xbe), 0, false, ""},
		{"padding", change(0, 0xa0, append([]byte("abc"), 0, 0, 3)...), 0, true, "abc"},
		{"padding beyond the beginning", change(0, 0xa0, 'a', 3), 0, false, ""},
		{"padding of nothing", change(0, 0xa0, 'a', 0), 0, false, ""},
		{"another version", change(0, 0x40), 0, false, ""},
		{"RTCP", change(1, 200), 0, false, ""},
		{"too short", header[:11], 0, false, ""},
		{"nothing", nil, 0, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			size := tt.size
			if size == 0 {
				size = len(tt.b)
			}
			r, ok := decodeRTP(tt.b, size)
			if ok != tt.ok {
				t.Fatalf("got %v, want %v", ok, tt.ok)
			}
			if ok && (r.seq != 0x1234 || r.ssrc != 0xfeedbeef || r.kind != 96 || string(r.payload) != tt.payload) {
				t.Errorf("got %+v, want number 0x1234, SSRC 0xfeedbeef, type 96 and payload %q", r, tt.payload)
			}
		})
	}
}

// tsPacket is a packet of MPEG-TS with a payload, unless control says otherwise.
func tsPacket(pid uint16, control, counter byte, more ...byte) []byte {
	b := make([]byte, tsSize)
	b[0], b[1], b[2], b[3] = tsSync, byte(pid>>8), byte(pid), control<<4|counter&0xf
	copy(b[4:], more)
	return b
}

func TestContinuity(t *testing.T) {
	const pays, adapts, both = 1, 2, 3
	for _, tt := range []struct {
		name    string
		packets [][]byte
		errors  uint64
	}{
		{"in order, around", [][]byte{tsPacket(5, pays, 14), tsPacket(5, pays, 15), tsPacket(5, pays, 0), tsPacket(5, pays, 1)}, 0},
		{"one missing", [][]byte{tsPacket(5, pays, 1), tsPacket(5, pays, 3), tsPacket(5, pays, 4)}, 1},
		{"two PIDs", [][]byte{tsPacket(5, pays, 1), tsPacket(6, pays, 9), tsPacket(5, pays, 2), tsPacket(6, pays, 10)}, 0},
		{"sent twice", [][]byte{tsPacket(5, pays, 1), tsPacket(5, pays, 1), tsPacket(5, pays, 2)}, 0},
		{"sent three times", [][]byte{tsPacket(5, pays, 1), tsPacket(5, pays, 1), tsPacket(5, pays, 1)}, 1},
		{"no payload, no count", [][]byte{tsPacket(5, pays, 1), tsPacket(5, adapts, 1, 183), tsPacket(5, adapts, 1, 183), tsPacket(5, both, 2, 1)}, 0},
		{"no payload, and counted", [][]byte{tsPacket(5, pays, 1), tsPacket(5, adapts, 2, 183)}, 1},
		{"discontinuity is announced", [][]byte{tsPacket(5, pays, 1), tsPacket(5, both, 7, 1, 0x80), tsPacket(5, pays, 8)}, 0},
		{"packets that fill up", [][]byte{tsPacket(tsNull, pays, 1), tsPacket(tsNull, pays, 7)}, 0},
		{"marked as damaged", [][]byte{tsPacket(5, pays, 1), tsPacket(0x8005, pays, 9), tsPacket(5, pays, 2)}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := bytes.Join(tt.packets, nil)
			if !isTS(b, len(b)) {
				t.Fatal("it is not taken for MPEG-TS")
			}
			var c continuity
			c.take(b, len(b))
			if got := c.view(); got.Errors != tt.errors || got.Cut {
				t.Errorf("got %+v, want %d errors", got, tt.errors)
			}
		})
	}
	if isTS(make([]byte, tsSize), tsSize) || isTS(nil, 0) || isTS(tsPacket(1, 1, 1), tsSize+1) {
		t.Error("something else is taken for MPEG-TS")
	}
	var c continuity
	c.take(tsPacket(5, pays, 1), 2*tsSize)
	if !c.cut {
		t.Error("a part of a packet is taken for all of it")
	}
}
