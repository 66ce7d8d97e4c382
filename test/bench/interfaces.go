package main

import (
	"fmt"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// crowd is a router with more inbound interfaces than those of every router here, and a
// flow that comes in by the last of them.
type crowd struct {
	*router
	*sender
	side
}

// interfaces measures what a packet costs in a router with more interfaces than one table
// of the kernel has room for, and with few.
func (b *bench) interfaces(tb netlab.TB) []row {
	many, few := b.crowd(tb, b.links), b.crowd(tb, 1)
	for range b.pathRounds {
		many.cost(tb, &many.side, b.pathTime)
		few.cost(tb, &few.side, b.pathTime)
	}
	few.name = "1 interface"
	return []row{compare(fmt.Sprintf("a packet with %d inbound interfaces: CPU", b.links), seconds, &many.side, &few.side, goal{})}
}

// crowd makes a router with n inbound interfaces more.
func (b *bench) crowd(tb netlab.TB, n int) *crowd {
	tb.Helper()
	source := func(i int) [4]byte { return [4]byte{10, 1, byte(i >> 8), byte(i)} }
	group := [4]byte{232, 1, 1, 1}
	var more strings.Builder
	for i := range n {
		s := source(i)
		fmt.Fprintf(&more, "phyint in%d enable\nmroute from in%d source %d.%d.%d.%d group 232.1.1.1 to out\n", i, i, s[0], s[1], s[2], s[3])
	}
	r := b.router(tb, conf(mroute.IPv4, 0, more.String()))
	for i := range n {
		r.hosts.Veth(fmt.Sprintf("a%d", i), r.NS, fmt.Sprintf("in%d", i))
	}
	r.daemon(tb, b.ours)
	p := r.newProbe(tb, fmt.Sprintf("a%d", n-1))
	p.group = group
	if _, ok := p.send(tb, source(n-1), firstPatience); !ok {
		tb.Fatalf("with %d inbound interfaces a packet of the last is not forwarded", n)
	}
	return &crowd{router: r, sender: r.repeated(tb, fmt.Sprintf("a%d", n-1), source(n-1), group)}
}
