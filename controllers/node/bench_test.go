package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/node"
	"github.com/smcroute/kube-smcroute/controllers/translate"
	"github.com/smcroute/kube-smcroute/test/cputime"
)

const each = 100

// objects are MulticastRoutes of a hundred groups each, with n routes together.
func objects(n int) (rs []v1alpha1.MulticastRoute) {
	for i := range n / each {
		r := v1alpha1.MulticastRoute{ObjectMeta: metav1.ObjectMeta{
			Namespace: "tv", Name: fmt.Sprintf("r%05d", i), UID: types.UID(fmt.Sprint(i)), Generation: 1,
		}}
		r.Spec = v1alpha1.MulticastRouteSpec{
			From:    v1alpha1.RouteInput{Interface: "eth0"},
			Sources: []v1alpha1.Address{"10.0.0.1"},
			To:      []v1alpha1.RouteOutput{{Interface: "eth1"}},
		}
		for j := range each {
			k := i*each + j
			r.Spec.Groups = append(r.Spec.Groups, v1alpha1.Address(fmt.Sprintf("232.%d.%d.%d", k>>16, k>>8&255, k&255)))
		}
		rs = append(rs, r)
	}
	rs[0].Spec.To = append(rs[0].Spec.To, v1alpha1.RouteOutput{Interface: "eth2"})
	return rs
}

// BenchmarkChange has one of the objects for a node changed, from the caches of the
// API to the (simulated) kernel.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{200, 10_000, 100_000} {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			host := sim.New()
			for _, name := range []string{"eth0", "eth1", "eth2"} {
				host.AddLink(name)
			}
			k, err := host.Open(0)
			if err != nil {
				b.Fatal(err)
			}
			log := slog.New(slog.DiscardHandler)
			main := agent.New(agent.Options{Kernel: k, FlushInterval: time.Minute, Await: []string{translate.LayerName}, Logger: log, Shared: true})
			all := agent.NewRouters(agent.RoutersOptions{Main: main, Logger: log})
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error, 2)
			go func() { ended <- main.Run(ctx) }()
			go func() { ended <- all.Run(ctx) }()
			defer func() { cancel(); <-ended; <-ended }()
			p := node.NewProgrammer(node.Options{Routers: all, HostNamespaces: []string{"*"}, Logger: log})
			w := node.World{Node: &corev1.Node{}, Routes: objects(n)}
			if err := p.Program(ctx, w); err != nil {
				b.Fatal(err)
			}
			to := [2][]v1alpha1.RouteOutput{{{Interface: "eth1"}}, {{Interface: "eth2"}}} // as the first has, so that no VIF comes or goes
			changed := &w.Routes[len(w.Routes)/2]
			change := func() {
				changed.Spec.To = to[changed.Generation%2]
				changed.Generation++
				if err := p.Program(ctx, w); err != nil {
					b.Fatal(err)
				}
			}
			for range 50 { // meanwhile memory of the start is given back
				change()
			}
			b.ReportAllocs()
			used := cputime.Used()
			for b.Loop() {
				change()
			}
			cputime.Report(b, used, b.N)
		})
	}
}
