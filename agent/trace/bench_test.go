package trace

import (
	"encoding/binary"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/capture/ip"
)

// BenchmarkAdd is the time for a packet of RTP with 1400 bytes that comes in and goes out.
func BenchmarkAdd(b *testing.B) {
	frame := make([]byte, 28+1372)
	frame[0], frame[8], frame[9] = 0x45, 64, ip.UDP
	binary.BigEndian.PutUint16(frame[2:], uint16(len(frame)))
	copy(frame[12:], sender.AsSlice())
	copy(frame[16:], group.AsSlice())
	binary.BigEndian.PutUint16(frame[24:], uint16(len(frame)-20))
	frame[28], frame[29] = 0x80, 96
	tr := New()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		binary.BigEndian.PutUint16(frame[30:], uint16(n))
		binary.BigEndian.PutUint32(frame[32:], uint32(n))
		for _, at := range []Point{in, out} {
			p, err := ip.Decode(frame)
			if err != nil {
				b.Fatal(err)
			}
			tr.Add(at, ms(0)+int64(n)*10000, &p) // 100,000 a second
		}
	}
}
