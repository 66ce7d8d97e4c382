package sim

import (
	"slices"
	"syscall"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// membership is a group, from one source or from any, on a link.
type membership struct {
	sg   mroute.SG
	link int
}

func membershipOf(op mroute.Op) membership { return membership{sg: op.SG, link: op.Link.Index} }

func (k *Kernel) join(op mroute.Op) error {
	m := membershipOf(op)
	if _, ok := k.host.link(m.link); !ok {
		return refuse(op, syscall.ENODEV, kernel.ErrNoLink)
	}
	if op.SG.Family() != op.Family || !op.SG.Group.IsMulticast() {
		return refuse(op, syscall.EINVAL, nil)
	}
	if k.members[m] {
		return nil
	}
	if k.host.limit > 0 && len(k.members) >= k.host.limit {
		return refuse(op, syscall.ENOBUFS, kernel.ErrLimit)
	}
	k.members[m] = true
	return nil
}

// Memberships lists what all programs have joined on a link, in order of SG.
// It is empty if there is no such link.
func (h *Host) Memberships(name string) []mroute.SG {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.memberships(h.index(name))
}

func (h *Host) memberships(link int) []mroute.SG {
	var sgs []mroute.SG
	for _, k := range h.programs() {
		for m := range k.members {
			if m.link == link {
				sgs = append(sgs, m.sg)
			}
		}
	}
	slices.SortFunc(sgs, mroute.SG.Compare)
	return slices.Compact(sgs)
}
