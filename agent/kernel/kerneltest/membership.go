package kerneltest

import (
	"errors"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

var membershipFacts = []fact{
	{"JoiningIsIdempotent", joiningIsIdempotent},
	{"SourcesAreJoinedOneByOne", sourcesAreJoinedOneByOne},
	{"AnySourceBesideOneSource", anySourceBesideOneSource},
	{"HundredsOfJoins", hundredsOfJoins},
	{"MembershipVanishesWithLink", membershipVanishesWithLink},
	{"JoinOnGoneLinkIsRefused", joinOnGoneLinkIsRefused},
}

func (l *lab) opJoin(sg mroute.SG, link string) mroute.Op {
	return mroute.Op{Kind: mroute.JoinGroup, Family: l.f, SG: sg, Link: l.ref(link)}
}

func (l *lab) opLeave(sg mroute.SG, link string) mroute.Op {
	return mroute.Op{Kind: mroute.LeaveGroup, Family: l.f, SG: sg, Link: l.ref(link)}
}

// members checks which of sgs are joined on a link. The group of which Linux
// learned last must have a source meanwhile: /proc/net/mcfilter and mcfilter6
// leave out the sources of all groups of a link otherwise.
func (l *lab) members(link string, joined bool, sgs ...mroute.SG) {
	l.t.Helper()
	latest := l.flow(62_000)
	l.apply(l.opJoin(latest, link))
	list := l.Memberships(link)
	l.apply(l.opLeave(latest, link))
	for _, sg := range sgs {
		if got := slices.Contains(list, sg); got != joined {
			l.t.Fatalf("%v joined on %s: %v, want %v; the list is %v", sg, link, got, joined, list)
		}
	}
}

func joiningIsIdempotent(l *lab) {
	sg, any := l.flow(1), mroute.SG{Group: l.flow(2).Group}
	for _, sg := range []mroute.SG{sg, any} {
		l.apply(l.opLeave(sg, "b"))
		l.apply(l.opJoin(sg, "b"), l.opJoin(sg, "b"))
		l.apply(l.opJoin(sg, "b"))
		l.members("b", true, sg)
		l.members("c", false, sg)
		l.apply(l.opLeave(sg, "c"))
		l.members("b", true, sg)
		l.apply(l.opLeave(sg, "b"))
		l.members("b", false, sg)
		l.apply(l.opLeave(sg, "b"))
		l.apply(l.opJoin(sg, "b"))
		l.members("b", true, sg)
	}
}

func sourcesAreJoinedOneByOne(l *lab) {
	first, second, third := l.flow(1), l.flow(2), l.flow(3)
	second.Group, third.Group = first.Group, first.Group
	l.apply(l.opJoin(first, "b"), l.opJoin(second, "b"), l.opJoin(third, "b"))
	l.members("b", true, first, second, third)
	l.apply(l.opLeave(second, "b"))
	l.members("b", true, first, third)
	l.members("b", false, second, mroute.SG{Group: first.Group})
	l.apply(l.opLeave(first, "b"), l.opLeave(third, "b"))
	l.members("b", false, first, third, mroute.SG{Group: first.Group})
}

// Joining a group from any source and from one is fine, and each is left by
// itself. While both hold, the kernel's lists need not show the two.
func anySourceBesideOneSource(l *lab) {
	one := l.flow(1)
	any := mroute.SG{Group: one.Group}
	l.apply(l.opJoin(one, "b"), l.opJoin(any, "b"))
	l.apply(l.opLeave(one, "b"))
	l.members("b", true, any)
	l.members("b", false, one)
	l.apply(l.opJoin(one, "b"), l.opLeave(any, "b"))
	l.members("b", true, one)
	l.members("b", false, any)
}

func hundredsOfJoins(l *lab) {
	const n = 300
	var sgs []mroute.SG
	var join, leave []mroute.Op
	for i := range n {
		sg := l.flow(i)
		if i%3 > 0 {
			sg.Source = mroute.SG{}.Source
		}
		sgs = append(sgs, sg)
		join = append(join, l.opJoin(sg, "b"))
		leave = append(leave, l.opLeave(sg, "b"))
	}
	l.apply(join...)
	l.members("b", true, sgs...)
	l.apply(leave[:n/2]...)
	l.members("b", false, sgs[:n/2]...)
	l.members("b", true, sgs[n/2:]...)
	l.apply(join...)
	l.members("b", true, sgs...)
	l.apply(leave...)
	l.members("b", false, sgs...)
}

// Leaving after the link is gone succeeds, and the next link starts afresh.
func membershipVanishesWithLink(l *lab) {
	one, any := l.flow(1), mroute.SG{Group: l.flow(2).Group}
	l.apply(l.opJoin(one, "b"), l.opJoin(any, "b"))
	leave := []mroute.Op{l.opLeave(one, "b"), l.opLeave(any, "b")}
	l.deleteLink("b")
	l.apply(leave...)
	l.apply(leave...)
	l.AddLink("b")
	l.members("b", false, one, any)
	l.apply(l.opJoin(one, "b"), l.opJoin(any, "b"))
	l.members("b", true, one, any)
	l.apply(leave...) // of the old ifindex
	l.members("b", true, one, any)
}

func joinOnGoneLinkIsRefused(l *lab) {
	one, any := l.opJoin(l.flow(1), "b"), l.opJoin(mroute.SG{Group: l.flow(2).Group}, "b")
	l.deleteLink("b")
	for _, op := range []mroute.Op{one, any} {
		if errs := l.k.Apply([]mroute.Op{op}); len(errs) != 1 || !errors.Is(errs[0], kernel.ErrNoLink) {
			l.t.Errorf("joining %v on a link that is gone gives %v, want ErrNoLink", op.SG, errs)
		}
	}
}
