package node

import (
	"net/netip"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// Names are those of pods, "namespace/name", for people who look at interfaces,
// addresses and routers. They are immutable.
type Names struct {
	Links   map[string][]string     // pods that a link of the node leads to, if a route may have them as ends
	Addrs   map[netip.Addr]string   // pods with an address of their own
	Routers map[mroute.Place]string // pods with a router inside
}

// Names returns those of the last World.
func (p *Programmer) Names() Names {
	if last := p.outcome(); last != nil {
		return last.names
	}
	return Names{}
}

func newNames(at map[translate.Router]location, pods []translate.Pod, inside map[string]string) Names {
	n := Names{Links: map[string][]string{}, Addrs: map[netip.Addr]string{}, Routers: map[mroute.Place]string{}}
	for i := range pods {
		p := &pods[i]
		if p.HostNetwork {
			continue
		}
		name := p.Namespace + "/" + p.Name
		named := map[string]bool{} // a pod with two addresses may be behind one link
		for _, a := range p.IPs {
			n.Addrs[a] = name
			if link := p.Links[a].Name; link != "" && !named[link] {
				named[link] = true
				n.Links[link] = append(n.Links[link], name)
			}
		}
	}
	for router, l := range at {
		if router.PodUID != "" && l.known() {
			n.Routers[l.place] = inside[router.PodUID]
		}
	}
	return n
}
