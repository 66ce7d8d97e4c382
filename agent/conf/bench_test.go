package conf_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/conf"
)

// lines makes n lines by their number.
func lines(n int, line func(i int) string) string {
	var b []byte
	for i := range n {
		b = append(append(b, line(i)...), '\n')
	}
	return string(b)
}

var lineKinds = []struct {
	name string
	line func(i int) string
}{
	{"exact4", func(i int) string {
		return fmt.Sprintf("mroute from in%d source 10.%d.%d.%d group 225.%d.%d.%d to eth1 eth2 eth%d",
			i%8, i>>16, i>>8&255, i&255, i>>16, i>>8&255, i&255, 10+i%16)
	}},
	{"exact6", func(i int) string {
		return fmt.Sprintf("mroute from in%d source 2001:db8::%x:%x group ff05::%x:%x to eth1 eth2", i%8, i>>16, i&0xffff, i>>16, i&0xffff)
	}},
	{"template4", func(i int) string {
		return fmt.Sprintf("mroute from eth0 group 225.%d.%d.%d to eth1 eth2", i>>16, i>>8&255, i&255)
	}},
	{"join4", func(i int) string { return fmt.Sprintf("mgroup from eth0 group 225.%d.%d.%d", i>>16, i>>8&255, i&255) }},
	{"phyint", func(i int) string { return "phyint eth" + strconv.Itoa(i%32) + " enable ttl-threshold 3" }},
	{"bad", func(int) string { return "mroute from eth0 group 10.0.0.1 to eth1" }},
}

// BenchmarkParse reports the time of a line beside that of a file.
func BenchmarkParse(b *testing.B) {
	for _, kind := range lineKinds {
		for _, n := range []int{10_000, 100_000} {
			text := lines(n, kind.line)
			b.Run(kind.name+"/routes="+strconv.Itoa(n), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					conf.Parse(conf.Source{Name: "bench", Text: text}, conf.Options{})
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/line")
			})
		}
	}
}
