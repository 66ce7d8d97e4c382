package main

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/keep/shelf"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Packets are not led to tables that have been emptied: a router that starts later
// would never see them. Rules that others made stay, and so does what leads to tables
// that are not held.
func TestRulesGoWithTheirTable(t *testing.T) {
	const held, other = 90000001, 90000002
	ns := netlab.New(t)
	var s shelf.Shelf
	err := ns.Do(func() error {
		for family, domain := range map[int]int{uapi.FamilyIPMR: unix.AF_INET, uapi.FamilyIP6MR: unix.AF_INET6} {
			if domain == unix.AF_INET6 && !ns.HasIPv6() {
				continue
			}
			protocol, level := unix.IPPROTO_IGMP, unix.IPPROTO_IP
			if domain == unix.AF_INET6 {
				protocol, level = unix.IPPROTO_ICMPV6, unix.IPPROTO_IPV6
			}
			fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.SetsockoptInt(fd, level, uapi.MRTTable, held); err != nil {
				return err
			}
			if err := unix.SetsockoptInt(fd, level, uapi.MRTInit, 1); err != nil {
				return err
			}
			if err := s.Put(fmt.Sprintf("4-1/%d/%d/owner", held, family), fd, true); err != nil {
				return err
			}
			for i, table := range []int{held, held, held, other} {
				r := netlink.NewRule()
				r.Family, r.Table, r.IifName, r.Priority, r.Protocol = family, table, fmt.Sprint("in", i), 10, 17
				if i == 2 {
					r.Protocol = unix.RTPROT_STATIC // somebody else's
				}
				if err := netlink.RuleAdd(r); err != nil {
					return err
				}
			}
		}
		// From elsewhere, where it can do nothing, it does nothing.
		flushed := make(chan struct{})
		go func() {
			defer close(flushed)
			flush(&s, slog.New(slog.NewTextHandler(t.Output(), nil)))
		}()
		<-flushed
		if got, want := mrules(t), []string{"in0", "in1", "in2", "in3"}; !slices.Equal(got, want) {
			t.Errorf("rules of %v, expected %v", got, want)
		}
		flush(&s, slog.New(slog.NewTextHandler(t.Output(), nil)))
		if got, want := mrules(t), []string{"in2", "in3"}; !slices.Equal(got, want) {
			t.Errorf("rules of %v are left, expected %v", got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// mrules are the links of which there are rules, each in both families.
func mrules(t *testing.T) (links []string) {
	t.Helper()
	for _, family := range []int{uapi.FamilyIPMR, uapi.FamilyIP6MR} {
		rules, err := netlink.RuleList(family)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rules {
			if r.IifName != "" {
				links = append(links, r.IifName)
			}
		}
	}
	slices.Sort(links)
	return slices.Compact(links)
}
