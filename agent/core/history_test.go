package core_test

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// history plays random events to a router, checking on the way.
type history struct {
	*router
	rt *rapid.T
}

// boundedHistory is one of a router, and of rules, that may have limits on flows.
func boundedHistory(rt *rapid.T, links ...string) history {
	h := history{newRouter(rt, links...), rt}
	if h.bounded = rapid.Bool().Draw(rt, "limits"); h.bounded {
		h.max = rapid.SampledFrom([]int{0, 2, 4}).Draw(rt, "flows")
		h.restart(core.Options{})
	}
	return h
}

func (h history) layer(t *rapid.T) mroute.Layer {
	l := genLayer(t)
	for i := range l.Routes {
		if h.bounded && !l.Routes[i].Match.IsExact() {
			l.Routes[i].MaxFlows = rapid.SampledFrom([]int{0, 1, 2}).Draw(t, "max flows")
		}
	}
	return l
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
	var objects []*mroute.Part
	return map[string]func(*rapid.T){
		"object": func(t *rapid.T) { // one comes, goes, or is another
			objects = slices.Clone(objects)
			at := rapid.IntRange(0, len(objects)).Draw(t, "at")
			o := &mroute.Part{Routes: h.layer(t).Routes}
			for i := range o.Routes {
				o.Routes[i].Origin = mroute.Origin{Ref: "object", Line: at + 1, Seq: 100*at + i + 1}
			}
			switch {
			case len(o.Routes) == 0:
				objects = objects[:at]
			case at == len(objects):
				objects = append(objects, o)
			default:
				objects[at] = o
			}
			h.step(core.SetLayer{Layer: mroute.Layer{Name: "kubernetes", Parts: objects}})
		},
		"layer": func(t *rapid.T) {
			h.step(core.SetLayer{Layer: h.layer(t), DropEdits: rapid.Bool().Draw(t, "drop edits")})
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
				if h.bounded {
					h.pass(rapid.SampledFrom([]time.Duration{0, time.Second, 5 * time.Second}).Draw(t, "time"))
					h.now = h.now.Add(-5 * time.Second) // which send adds
				}
				h.send(n, rapid.SampledFrom(universe).Draw(t, "sg"))
			}
		},
		"flush": func(*rapid.T) { h.step(core.Expire{}) },
		"restart": func(t *rapid.T) {
			h.reincarnate(t, rapid.Bool().Draw(t, "garbage"), core.Options{RemoveForeign: rapid.Bool().Draw(t, "remove foreign")})
		},
		"complete": func(*rapid.T) { h.step(core.Complete{}) },
	}
}

// reincarnate has another process come after this one. Links come and go in
// between, and with garbage other programs leave VIFs and entries of all kinds.
func (h history) reincarnate(t *rapid.T, garbage bool, o core.Options) {
	h.busy = false
	if err := h.kernel.Detach(); err != nil {
		t.Fatalf("detach: %v", err)
	}
	if garbage {
		h.litter(t)
	}
	for _, n := range rapid.SliceOfNDistinct(rapid.SampledFrom(linkNames), 0, 2, rapid.ID).Draw(t, "links") {
		if h.has(n) {
			h.del(n)
		} else {
			h.host.AddLink(n)
		}
	}
	h.static = rapid.Bool().Draw(t, "static")
	h.begin(o)
}

// litter puts things into the tables at random.
func (h history) litter(t *rapid.T) {
	k, err := h.host.OpenGuest(0)
	if err != nil {
		t.Fatalf("guest: %v", err)
	}
	links := h.host.Links()[1:] // but lo
	if len(links) == 0 {
		return
	}
	for range rapid.IntRange(0, 6).Draw(t, "things") {
		var op mroute.Op
		op.Family = rapid.SampledFrom([]mroute.Family{mroute.IPv4, mroute.IPv4, mroute.IPv6}).Draw(t, "family")
		if rapid.Bool().Draw(t, "VIF") {
			op.Kind = mroute.AddVIF
			op.VIF = rapid.SampledFrom([]mroute.VIF{0, 1, 2, 3, 4, 31}).Draw(t, "number")
			op.Link.Index = rapid.SampledFrom(links).Draw(t, "link").Index
		} else {
			op.Kind = mroute.SetMFC
			op.SG = rapid.SampledFrom(universe).Draw(t, "sg")
			op.Family = op.SG.Family()
			number := rapid.SampledFrom([]mroute.VIF{0, 1, 2, 3, 4})
			op.Entry.IIF = number.Draw(t, "input")
			for range rapid.IntRange(0, 3).Draw(t, "outputs") {
				op.Entry.OIFs[number.Draw(t, "output")] = 1
			}
		}
		k.Apply([]mroute.Op{op}) // or not
	}
	if err := k.Close(); err != nil {
		t.Fatalf("guest: %v", err)
	}
}

// complete reports whether the last process has settled, so that nothing is held
// any more.
func (r *router) complete() bool { return len(r.settled) > 0 }
