package trace

import (
	"fmt"
	"strings"
)

// Range is a run of numbers, First and Last included.
type Range struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// maxRanges is how many runs are listed. What is beyond is counted only.
const maxRanges = 64

// ranges are numbers in order of coming.
type ranges struct {
	list  []Range
	count uint64 // of all numbers, listed or not
	full  bool   // some are not listed
}

// add adds first to last.
func (r *ranges) add(first, last uint64) {
	r.count += last - first + 1
	switch n := len(r.list); {
	case r.full:
	case n > 0 && r.list[n-1].Last+1 == first:
		r.list[n-1].Last = last
	case n == maxRanges:
		r.full = true
	default:
		r.list = append(r.list, Range{first, last})
	}
}

// Numbers writes runs of numbers for a person: "5-7, 12". If there are more than most it
// ends in an ellipsis.
func Numbers(list []Range, most int) string {
	var b strings.Builder
	for i, r := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == most {
			b.WriteString("...")
			break
		}
		switch {
		case r.First == r.Last:
			fmt.Fprint(&b, r.First)
		case r.First+1 == r.Last:
			fmt.Fprintf(&b, "%d, %d", r.First, r.Last)
		default:
			fmt.Fprintf(&b, "%d-%d", r.First, r.Last)
		}
	}
	return b.String()
}
