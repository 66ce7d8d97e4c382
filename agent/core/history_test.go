package core_test

import (
	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// history plays random events to a router, checking on the way.
type history struct {
	*router
	rt *rapid.T
}

func (h history) actions() map[string]func(*rapid.T) {
	pick := func(t *rapid.T, has bool) (string, bool) {
		var names []string
		for _, n := range linkNames {
			if h.has(n) == has {
				names = append(names, n)
			}
		}
		if len(names) == 0 {
			return "", false
		}
		return rapid.SampledFrom(names).Draw(t, "link"), true
	}
	return map[string]func(*rapid.T){
		"layer": func(t *rapid.T) {
			h.step(core.SetLayer{Layer: genLayer(t), DropEdits: rapid.Bool().Draw(t, "drop edits")})
		},
		"edit": func(t *rapid.T) {
			ed := mroute.Edit{Kind: rapid.SampledFrom([]mroute.EditKind{mroute.AddRoute, mroute.AddRoute, mroute.RemoveRoute, mroute.AddJoin, mroute.RemoveJoin}).Draw(t, "kind")}
			switch ed.Kind {
			case mroute.AddRoute, mroute.RemoveRoute:
				ed.Route = genRoute(t)
				ed.Route.Except = nil
			default:
				ed.Join = genJoin(t)
			}
			_ = h.edit(ed)
		},
		"busy": func(*rapid.T) { h.busy = true },
		"go on": func(t *rapid.T) {
			h.goOn()
			h.busy = rapid.Bool().Draw(t, "busy")
		},
		"add link": func(t *rapid.T) {
			if n, ok := pick(t, false); ok {
				h.host.AddLink(n)
				h.readLinks()
			}
		},
		"delete link": func(t *rapid.T) {
			if n, ok := pick(t, true); ok {
				h.del(n)
				h.readLinks()
			}
		},
		"replace link": func(t *rapid.T) {
			if n, ok := pick(t, true); ok {
				h.del(n)
				h.host.AddLink(n)
				h.readLinks()
			}
		},
		"reborn link": func(t *rapid.T) { // same index, as if moved to another namespace and back
			n, ok := pick(t, true)
			if !ok {
				return
			}
			for _, l := range h.host.Links() {
				if l.Name == n {
					h.del(n)
					h.host.Insert(l)
				}
			}
			h.readLinks()
		},
		"rename link": func(t *rapid.T) {
			from, ok1 := pick(t, true)
			to, ok2 := pick(t, false)
			if ok1 && ok2 {
				h.host.RenameLink(from, to)
				h.readLinks()
			}
		},
		"multicast flag": func(t *rapid.T) {
			if n, ok := pick(t, true); ok {
				h.host.SetMulticast(n, rapid.Bool().Draw(t, "on"))
				h.readLinks()
			}
		},
		"packet": func(t *rapid.T) {
			if n, ok := pick(t, true); ok {
				h.send(n, rapid.SampledFrom(universe).Draw(t, "sg"))
			}
		},
		"flush": func(*rapid.T) { h.step(core.Expire{}) },
	}
}
