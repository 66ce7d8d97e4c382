package sim

import (
	"net/netip"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// PacketSize is the length of every packet, in bytes of the IP layer.
const PacketSize = 100

// Limits of the kernel: ipmr.c, and mroute.h for the last.
const (
	queueLength    = 4                // packets of one flow that wait for an entry
	queueTime      = 10 * time.Second // for which they wait
	upcallBacklog  = 256              // unread upcalls of a family
	assertInterval = 3 * time.Second  // MFC_ASSERT_THRESH
)

// packet is one on its way through the host.
type packet struct {
	sg   mroute.SG
	link int // where it arrived
	ttl  uint8
}

// Send has a packet arrive on a link at a time, and returns the names of the
// links through which it leaves at once, in order of VIF. A link that is down
// gets nothing.
func (h *Host) Send(link string, sg mroute.SG, ttl uint8, now time.Time) (out []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock(now)
	p := packet{sg: sg, link: h.links[h.find(link)].Index, ttl: ttl}
	t := h.input(p)
	if t == nil {
		return nil
	}
	arrival := t.of(p.link)
	e := t.lookup(sg, arrival)
	if e == nil {
		if arrival != mroute.NoVIF {
			h.wait(t, p, arrival)
		}
		return nil
	}
	return h.forward(t, e, p)
}

// Outputs returns through which links a packet would leave, without sending it.
func (h *Host) Outputs(link string, sg mroute.SG, ttl uint8) (out []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := packet{sg: sg, link: h.links[h.find(link)].Index, ttl: ttl}
	t := h.input(p)
	if t == nil {
		return nil
	}
	e := t.lookup(sg, t.of(p.link))
	if e == nil || !t.arrives(e, p) {
		return nil
	}
	return h.names(h.outputs(t, e, p))
}

// Departed counts the packets of sg that have left through a link since it was
// made. It is 0 if there is no such link.
func (h *Host) Departed(link string, sg mroute.SG) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sent[departure{h.index(link), sg}]
}

// input returns the table that decides about a packet, or nil if it isn't
// routed at all. No rules lead to tables other than 0.
func (h *Host) input(p packet) *table {
	l, ok := h.link(p.link)
	if !ok || !l.Up || neverRouted(p.sg) {
		return nil
	}
	owned := false // by anybody: the namespace's mc_forwarding
	vif := false
	var main *table
	for _, t := range h.tables {
		if t.family != p.sg.Family() {
			continue
		}
		owned = owned || t.owner != nil
		vif = vif || t.of(p.link) != mroute.NoVIF
		if t.id == 0 {
			main = t
		}
	}
	// IPv4 asks the link's mc_forwarding too, which a VIF sets; IPv6 doesn't.
	if !owned || p.sg.Family() == mroute.IPv4 && !vif {
		return nil
	}
	return main
}

// neverRouted reports whether a group stays on its link: 224.0.0.0/24, and
// scopes 1 and 2 of IPv6 (RFC 4291, section 2.7). Of IPv4 no packet without a
// source is routed either (ip_mc_validate_source); of IPv6 it is.
func neverRouted(sg mroute.SG) bool {
	g := sg.Group
	return g.IsLinkLocalMulticast() || g.IsInterfaceLocalMulticast() || sg.Source == netip.IPv4Unspecified()
}

// lookup finds the entry for a flow that arrives on a VIF: (S,G), else a (*,G)
// which has that VIF among its outputs (ipmr_cache_find_any).
func (t *table) lookup(sg mroute.SG, arrival mroute.VIF) *entry {
	if e := t.mfc[keyOf(sg)]; e != nil {
		return e
	}
	if e := t.mfc[mroute.SG{Group: sg.Group}]; e != nil && arrival != mroute.NoVIF && e.OIFs[arrival] != 0 {
		return e
	}
	return nil
}

// arrives reports whether p came in where the entry says.
func (t *table) arrives(e *entry, p packet) bool {
	return t.has(e.IIF) && t.vifs[e.IIF].link == p.link
}

// forward sends a packet as e says (ip_mr_forward).
func (h *Host) forward(t *table, e *entry, p packet) []string {
	e.packets++
	e.bytes += PacketSize
	e.used = h.now
	if !t.arrives(e, p) {
		e.wrongIf++
		arrival := t.of(p.link)
		if arrival != mroute.NoVIF && (e.asserted.IsZero() || h.now.Sub(e.asserted) > assertInterval) {
			e.asserted = h.now
			t.ask(mroute.Upcall{Kind: mroute.WrongVIF, SG: p.sg, VIF: arrival})
		}
		return nil
	}
	out := h.outputs(t, e, p)
	for _, index := range out {
		h.sent[departure{index, p.sg}]++
	}
	return h.names(out)
}

// outputs lists the links through which e lets p leave. A (*,G) entry, which
// has its input among its outputs, does not send back.
func (h *Host) outputs(t *table, e *entry, p packet) (links []int) {
	anySource := t.mfc[mroute.SG{Group: p.sg.Group}] == e
	for v, threshold := range e.OIFs {
		if threshold == 0 || p.ttl <= uint8(threshold) || !t.has(mroute.VIF(v)) {
			continue
		}
		if anySource && mroute.VIF(v) == t.of(p.link) {
			continue
		}
		if l, ok := h.link(t.vifs[v].link); ok && l.Up {
			links = append(links, l.Index)
		}
	}
	return links
}

// wait keeps a packet until its entry comes, and asks for that at the first
// (ipmr_cache_unresolved).
func (h *Host) wait(t *table, p packet, arrival mroute.VIF) {
	w := t.queue[keyOf(p.sg)]
	if w == nil {
		if !t.ask(mroute.Upcall{Kind: mroute.NoCache, SG: p.sg, VIF: arrival}) {
			return
		}
		w = &waiting{until: h.now.Add(queueTime)}
		t.queue[keyOf(p.sg)] = w
	}
	if len(w.packets) < queueLength {
		w.packets = append(w.packets, p)
	}
}

// names turns ifindexes into names.
func (h *Host) names(links []int) []string {
	if len(links) == 0 {
		return nil
	}
	names := make([]string, len(links))
	for i, index := range links {
		l, _ := h.link(index)
		names[i] = l.Name
	}
	return names
}
