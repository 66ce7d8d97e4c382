package netlab

import (
	"math/bits"
	"time"
)

// Flow is what a [Capture] saw of one source and group in one direction.
type Flow struct {
	Packets int
	Bytes   int           // of UDP payload
	TTLs    map[uint8]int // how many packets came with which TTL or hop limit
	First   time.Time     // when the first packet was read
	Last    time.Time     // and the last
	Longest time.Duration // longest pause between two packets

	// Of numbered packets, see NS.Stream:
	Duplicates int // numbers that came more than once
	Reordered  int // numbers lower than one before
	Highest    uint64

	seen []uint64 // a bit for each number
}

// maxNumber bounds the memory for the numbers seen: 16 MiB a flow.
const maxNumber = 128 << 20

func (f *Flow) add(r received, now time.Time) {
	if f.Packets == 0 {
		f.First, f.TTLs = now, map[uint8]int{}
	} else {
		f.Longest = max(f.Longest, now.Sub(f.Last))
	}
	f.Last = now
	f.Packets++
	f.Bytes += r.payload
	f.TTLs[r.ttl]++
	if !r.numbered || r.seq >= maxNumber {
		return
	}
	if f.Has(r.seq) {
		f.Duplicates++
		return
	}
	if r.seq < f.Highest {
		f.Reordered++
	}
	f.Highest = max(f.Highest, r.seq)
	word := int(r.seq / 64)
	if word >= len(f.seen) {
		f.seen = append(f.seen, make([]uint64, word+1-len(f.seen))...)
	}
	f.seen[word] |= 1 << (r.seq % 64)
}

// Has reports whether the packet with that number was seen.
func (f *Flow) Has(seq uint64) bool {
	word := int(seq / 64)
	return word < len(f.seen) && f.seen[word]>>(seq%64)&1 == 1
}

// Distinct is how many different numbers were seen.
func (f *Flow) Distinct() (n int) {
	for _, w := range f.seen {
		n += bits.OnesCount64(w)
	}
	return n
}

// Gap is a run of numbers that are missing: First to Last, both included.
type Gap struct{ First, Last uint64 }

// Gaps lists the numbers that are missing of 0 to sent-1, where sent is what
// Stream.Stop said.
func (f *Flow) Gaps(sent uint64) (gaps []Gap) {
	for seq := uint64(0); seq < sent; seq++ {
		switch n := len(gaps); {
		case f.Has(seq):
		case n > 0 && gaps[n-1].Last+1 == seq:
			gaps[n-1].Last = seq
		default:
			gaps = append(gaps, Gap{seq, seq})
		}
	}
	return gaps
}
