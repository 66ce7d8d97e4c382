package sim

import (
	"fmt"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// AddLink makes a link that is up and has IFF_MULTICAST, and returns its
// ifindex, which no link had before.
func (h *Host) AddLink(name string) int {
	return h.Insert(mroute.Link{Name: name, Up: true, Multicast: true})
}

// Insert makes a link with the flags of l and returns its ifindex. With a
// nonzero l.Index the link gets that one, as a program may ask of the kernel;
// it may be the index of a link that is gone.
func (h *Host) Insert(l mroute.Link) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.insert(l)
}

func (h *Host) insert(l mroute.Link) int {
	if l.Index == 0 {
		l.Index = h.next
	}
	for _, other := range h.links {
		if other.Name == l.Name || other.Index == l.Index {
			panic(fmt.Sprintf("sim: link %d %q is there already", other.Index, other.Name))
		}
	}
	h.next = max(h.next, l.Index+1)
	at, _ := slices.BinarySearchFunc(h.links, l.Index, byIndex)
	h.links = slices.Insert(h.links, at, l)
	h.linksChanged(0)
	return l.Index
}

// DeleteLink removes a link with its VIFs and memberships. Entries keep its
// VIF number as input and output (NETDEV_UNREGISTER in ipmr.c).
func (h *Host) DeleteLink(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := h.find(name)
	index := h.links[i].Index
	h.links = slices.Delete(h.links, i, i+1)
	for _, t := range h.tables {
		for v := range t.vifs {
			if t.vifs[v].link == index {
				t.vifs[v] = vif{}
			}
		}
	}
	for _, k := range h.programs() {
		for m := range k.members {
			if m.link == index {
				delete(k.members, m)
			}
		}
	}
	for d := range h.sent {
		if d.link == index {
			delete(h.sent, d)
		}
	}
	h.linksChanged(index)
}

// RenameLink gives a link another name. VIFs and memberships stay.
func (h *Host) RenameLink(name, to string) {
	h.change(name, func(l *mroute.Link) {
		if h.index(to) != 0 {
			panic(fmt.Sprintf("sim: link %q is there already", to))
		}
		l.Name = to
	})
}

// SetUp sets or clears IFF_UP. A link that is down passes no packets; its VIFs
// and memberships stay.
func (h *Host) SetUp(name string, up bool) {
	h.change(name, func(l *mroute.Link) { l.Up = up })
}

// SetMulticast sets or clears IFF_MULTICAST. VIFs stay.
func (h *Host) SetMulticast(name string, on bool) {
	h.change(name, func(l *mroute.Link) { l.Multicast = on })
}

func (h *Host) change(name string, f func(*mroute.Link)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.links[h.find(name)])
	h.linksChanged(0)
}

// Links lists the links by index.
func (h *Host) Links() []mroute.Link {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.links)
}

// linksChanged tells every Watch; gone is the ifindex of a link that left, or 0.
func (h *Host) linksChanged(gone int) {
	for _, k := range h.kernels {
		k.news = true
		if gone != 0 {
			k.gone = append(k.gone, gone)
		}
		k.wakeup()
	}
}

// find returns the position of a link in h.links.
func (h *Host) find(name string) int {
	i := slices.IndexFunc(h.links, func(l mroute.Link) bool { return l.Name == name })
	if i < 0 {
		panic(fmt.Sprintf("sim: there is no link %q", name))
	}
	return i
}

// index returns the ifindex of a link, or 0.
func (h *Host) index(name string) int {
	for _, l := range h.links {
		if l.Name == name {
			return l.Index
		}
	}
	return 0
}

// link returns the link of an ifindex.
func (h *Host) link(index int) (mroute.Link, bool) {
	i, ok := slices.BinarySearchFunc(h.links, index, byIndex)
	if !ok {
		return mroute.Link{}, false
	}
	return h.links[i], true
}

func byIndex(l mroute.Link, index int) int { return l.Index - index }
