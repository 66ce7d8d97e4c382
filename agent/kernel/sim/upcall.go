package sim

import "github.com/smcroute/kube-smcroute/agent/mroute"

// ask queues an upcall on the owner's socket. It reports whether there was an
// owner with room for it.
func (t *table) ask(u mroute.Upcall) bool {
	k := t.owner
	if k == nil || len(k.upcalls[slot(t.family)]) >= upcallBacklog {
		return false
	}
	k.upcalls[slot(t.family)] = append(k.upcalls[slot(t.family)], u)
	k.wakeup()
	return true
}

// Upcalls takes the unread upcalls of all programs, IPv4 before IPv6. A Watch
// that runs takes them too.
func (h *Host) Upcalls() []mroute.Upcall {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []mroute.Upcall
	for _, k := range h.kernels {
		for i := range k.upcalls {
			all = append(all, k.upcalls[i]...)
			k.upcalls[i] = nil
		}
	}
	return all
}
