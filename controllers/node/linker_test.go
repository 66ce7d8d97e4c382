package node

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// linkMap has the links by address.
type linkMap map[string]translate.Link

func (m linkMap) Round() func(netip.Addr) (string, int, error) {
	return func(a netip.Addr) (string, int, error) {
		if l, ok := m[a.String()]; ok {
			return l.Name, l.Index, nil
		}
		return "", 0, fmt.Errorf("there is no route to %v", a)
	}
}

func (linkMap) Changes() <-chan struct{} { return nil }

// countingLinks fails for all, and remembers for which.
type countingLinks struct{ asked []string }

func (c *countingLinks) Round() func(netip.Addr) (string, int, error) {
	return func(a netip.Addr) (string, int, error) {
		c.asked = append(c.asked, a.String())
		return "", 0, errors.New("no")
	}
}

func (*countingLinks) Changes() <-chan struct{} { return nil }

func TestLinker(t *testing.T) {
	pods := LivePods([]corev1.Pod{pod("a", 0, "10.0.0.7", "fd00::7"), pod("b", 0, "10.0.0.8", "fd00::8")})
	l := linker{links: linkMap{
		"10.0.0.7": {Name: "veth7", Index: 7}, "fd00::7": {Name: "veth7", Index: 7},
		"10.0.0.8": {Name: "veth8", Index: 8},
	}}
	l.link(pods, []v1alpha1.MulticastRoute{route("studio", "r", toPods)})
	if len(pods[0].Links) != 2 || pods[0].Why != "" {
		t.Errorf("%+v", pods[0])
	}
	if len(pods[1].Links) != 1 || pods[1].Why != "there is no route to fd00::8" {
		t.Errorf("%+v", pods[1])
	}
}

// A node without routes to pods does not ask the kernel for each pod at every
// change.
func TestLinkerAsksForWhatMatters(t *testing.T) {
	for _, tt := range []struct {
		name   string
		routes []v1alpha1.MulticastRoute
		want   []string
	}{
		{"no routes", nil, nil},
		{"interfaces alone", []v1alpha1.MulticastRoute{route("studio", "r", nil)}, nil},
		{"another namespace", []v1alpha1.MulticastRoute{route("cinema", "r", toPods)}, nil},
		{"to pods", []v1alpha1.MulticastRoute{route("studio", "r", toPods)}, []string{"10.0.0.7"}},
		{"from pods", []v1alpha1.MulticastRoute{route("studio", "r", fromPods)}, []string{"10.0.0.7"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			links := &countingLinks{}
			l := linker{links: links}
			l.link(LivePods([]corev1.Pod{
				pod("a", 0, "10.0.0.7"),
				with(pod("h", 0, "192.0.2.1"), func(p *corev1.Pod) { p.Spec.HostNetwork = true }),
			}), tt.routes)
			if !slices.Equal(links.asked, tt.want) {
				t.Errorf("asked for %v, want %v", links.asked, tt.want)
			}
		})
	}
}

// An address that a pod loses while it is being deleted may be anybody's.
func TestLinkerLeavesTheDeletedAlone(t *testing.T) {
	const addr = "10.0.0.7"
	links := linkMap{}
	l := linker{links: links}
	routes := []v1alpha1.MulticastRoute{route("studio", "r", toPods)}
	check := func(what, want, why string, pods ...corev1.Pod) {
		t.Helper()
		live := LivePods(pods)
		l.link(live, routes)
		p := live[slices.IndexFunc(live, func(p translate.Pod) bool { return p.Name == "old" })]
		if got := p.Links[netip.MustParseAddr(addr)].Name; got != want || p.Why != why {
			t.Errorf("%s: link %q, %q; want %q, %q", what, got, p.Why, want, why)
		}
	}
	old, gone := pod("old", 0, addr), with(pod("old", 0, addr), deleted)
	set := func(name string, index int) { links[addr] = translate.Link{Name: name, Index: index} }

	set("veth1", 11)
	check("at first", "veth1", "", old)
	set("veth2", 12)
	check("a new sandbox, perhaps", "veth2", "", old)
	check("being deleted", "veth2", "", gone)
	delete(links, addr)
	check("its link is gone", "", "there is no route to 10.0.0.7", gone)
	set("veth3", 13)
	const others = "it is being deleted, and 10.0.0.7 is on veth3 by now, which may be another's"
	check("another has the address", "", others, gone)
	check("still", "", others, gone)
	set("veth2", 13)
	check("with the name of its link", "", "it is being deleted, and 10.0.0.7 is on veth2 by now, which may be another's", gone)
	set("veth2", 12)
	check("it was not gone after all", "veth2", "", gone)

	l = linker{links: links}
	check("an agent that was started meanwhile", "veth2", "", gone)
	check("another pod meanwhile", "veth2", "", gone, pod("new", 0))
	l.link(nil, routes)
	if len(l.had) > 0 {
		t.Errorf("%d links of pods that are no more are remembered", len(l.had))
	}
}
