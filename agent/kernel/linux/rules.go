package linux

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

var _ kernel.Spreader = (*Kernel)(nil)

// Beside implements [kernel.Spreader].
func (k *Kernel) Beside(table uint32) (kernel.Kernel, error) {
	opt := k.options
	opt.Table = table
	if opt.NetNS != "" {
		// Paths are used again.
		var err error
		if opt.NetNSID, err = k.ns.ID(); err != nil {
			return nil, err
		}
	}
	other, err := Open(opt)
	if err != nil {
		return nil, err
	}
	for _, f := range mroute.Families {
		if err := other.FamilyErr(f); err != nil && k.FamilyErr(f) == nil {
			_ = other.Close()
			return nil, err
		}
	}
	return other, nil
}

// Rules implements [kernel.Spreader].
func (k *Kernel) Rules(f mroute.Family) ([]kernel.Rule, error) {
	h, err := k.ruleHandle()
	if err != nil {
		return nil, err
	}
	for range dumpTries {
		var listed []netlink.Rule
		if listed, err = h.RuleList(ruleFamily(f)); errors.Is(err, netlink.ErrDumpInterrupted) {
			continue
		}
		if err != nil {
			break
		}
		rules := make([]kernel.Rule, len(listed))
		for i := range listed {
			rules[i] = newRule(f, &listed[i])
		}
		slices.SortStableFunc(rules, func(a, b kernel.Rule) int { return cmp.Compare(a.Priority, b.Priority) })
		return rules, nil
	}
	return nil, newError("list", fmt.Sprintf("%v rules", f), errnoOf(err), ruleCause)
}

// AddRule implements [kernel.Spreader].
func (k *Kernel) AddRule(r kernel.Rule) error {
	return k.changeRule("add", (*netlink.Handle).RuleAdd, r, unix.EEXIST)
}

// DeleteRule implements [kernel.Spreader].
func (k *Kernel) DeleteRule(r kernel.Rule) error {
	return k.changeRule("delete", (*netlink.Handle).RuleDel, r, unix.ENOENT)
}

func (k *Kernel) changeRule(op string, change func(*netlink.Handle, *netlink.Rule) error, r kernel.Rule, done error) error {
	h, err := k.ruleHandle()
	if err != nil {
		return err
	}
	rule := netlink.NewRule()
	rule.Family, rule.Table = ruleFamily(r.Family), int(r.Table)
	rule.IifName, rule.OifName = r.Links.In, r.Links.Out
	rule.Priority, rule.Protocol = kernel.RulePriority, kernel.RuleProtocol
	if err := change(h, rule); err != nil && !errors.Is(err, done) {
		return newError(op, fmt.Sprintf("%v rule of %s", r.Family, r.Links.In+r.Links.Out), errnoOf(err), ruleCause)
	}
	return nil
}

// newRule is a rule as it was listed. A table of 0 there is none: the rule does
// something else, or what netlink does not know.
func newRule(f mroute.Family, l *netlink.Rule) kernel.Rule {
	r := kernel.Rule{
		Family: f, Links: kernel.Way{In: l.IifName, Out: l.OifName}, Table: uint32(l.Table), Priority: uint32(l.Priority),
		Own: l.Protocol == kernel.RuleProtocol && l.Priority == kernel.RulePriority,
		Other: l.Table <= 0 || l.Invert || l.Mark != 0 || l.Mask != nil || l.TunID != 0 || l.Goto >= 0 ||
			l.Src != nil || l.Dst != nil || l.Tos != 0 || l.IPProto != 0 || l.UIDRange != nil || l.Sport != nil || l.Dport != nil,
	}
	if r.Table == defaultTable(f) {
		r.Table = 0
	}
	return r
}

// ruleHandle is the socket for rules, opened when it is asked for first.
func (k *Kernel) ruleHandle() (*netlink.Handle, error) {
	if k.rules != nil {
		return k.rules, nil
	}
	err := k.ns.Do(func() (err error) {
		k.rules, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	return k.rules, err
}

func ruleFamily(f mroute.Family) int {
	if f == mroute.IPv6 {
		return uapi.FamilyIP6MR
	}
	return uapi.FamilyIPMR
}

// ruleCause: the kernel has no rules, in a family or at all, if it was made
// without them.
func ruleCause(errno syscall.Errno) error {
	switch errno {
	case unix.EAFNOSUPPORT, unix.EOPNOTSUPP:
		return kernel.ErrNotSupported
	case unix.EPERM:
		return kernel.ErrPermission
	}
	return nil
}
