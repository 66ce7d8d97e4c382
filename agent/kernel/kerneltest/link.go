package kerneltest

import (
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

var linkFacts = []fact{
	{"LinksLists", linksLists},
	{"WatchTellsOfLinks", watchTellsOfLinks},
}

func linksLists(l *lab) {
	links, err := l.k.Links()
	if err != nil {
		l.t.Fatal(err)
	}
	if !slices.IsSortedFunc(links, func(a, b mroute.Link) int { return a.Index - b.Index }) {
		l.t.Errorf("links are not in order of index: %+v", links)
	}
	for _, name := range []string{"a", "b", "c"} {
		if got, want := l.link(name), (mroute.Link{Index: l.ifindex(name), Name: name, Up: true, Multicast: true}); got != want || got.Index < 1 {
			l.t.Errorf("link %+v, want %+v", got, want)
		}
	}
	if lo := l.link("lo"); !lo.Loopback || lo.Multicast || !lo.Up {
		l.t.Errorf("loopback is %+v", lo)
	}
	l.DeleteLink("b")
	links, err = l.k.Links()
	if err != nil {
		l.t.Fatal(err)
	}
	if slices.ContainsFunc(links, func(link mroute.Link) bool { return link.Name == "b" }) {
		l.t.Errorf("a link that is gone is still listed: %+v", links)
	}
}

// Watch tells when links come, change and go, and which went.
func watchTellsOfLinks(l *lab) {
	on := true
	l.Await("a first LinksChanged", func() bool { // Watch may not be listening yet
		on = !on
		l.SetMulticast("b", on)
		return l.inbox.linkChanges() > 0
	})
	index := l.ifindex("c")
	l.deleteLink("c")
	l.Await("LinksChanged with the ifindex that is gone", func() bool { return l.inbox.saidGone(index) })
	for _, change := range []struct {
		what string
		do   func()
	}{
		{"a new link", func() { l.AddLink("d") }},
		{"another name", func() { l.RenameLink("d", "e") }},
		{"a link set down", func() { l.SetUp("e", false) }},
		{"IFF_MULTICAST cleared", func() { l.SetMulticast("e", false) }},
	} {
		before := l.inbox.linkChanges()
		change.do()
		l.Await("LinksChanged after "+change.what, func() bool { return l.inbox.linkChanges() > before })
	}
	index = l.ifindex("e")
	if l.inbox.saidGone(index) {
		l.t.Error("a link was called gone that is there")
	}
	l.DeleteLink("e")
	l.Await("LinksChanged with the ifindex that is gone", func() bool { return l.inbox.saidGone(index) })
}
