package trace

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	report "github.com/smcroute/kube-smcroute/agent/trace"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// BenchmarkTrace sends packets of 1400 bytes through the node as fast as it can, and tells
// how many passed a second, coming in and going out, how many of them smcroutectl trace
// missed, and what time of a processor each of the others took it.
func BenchmarkTrace(b *testing.B) {
	var r report.Report
	for b.Loop() {
		b.StopTimer()
		const sent = 500000
		l := newLab(b)
		sg := mroute.SG{Source: flows[0].Source, Group: flows[0].Group}
		l.route(sg, "in", "out1")
		var took time.Duration
		text := l.trace(func() {
			b.StartTimer()
			start := time.Now()
			l.sender.SendBurst("eth0", netlab.Packet{Src: sg.Source, Group: sg.Group, Payload: make([]byte, 1356)}, 0, sent)
			took = time.Since(start)
			b.StopTimer()
		}, sg.Group.String(), "-o", "json")
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			b.Fatal(err)
		}
		packets := 2 * sent / took.Seconds()
		b.ReportMetric(packets, "packets/s")
		b.ReportMetric(float64(l.took.Nanoseconds())/float64(2*sent-r.Unseen.Dropped), "cpu-ns/packet")
		b.ReportMetric(float64(r.Unseen.Dropped), "dropped")
		b.ReportMetric(float64(r.Unseen.Sample), "sample")
		b.StartTimer()
	}
}
