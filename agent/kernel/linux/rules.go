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
	"github.com/smcroute/kube-smcroute/agent/kernel/mrule"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

var _ kernel.Spreader = (*Kernel)(nil)

// Number implements [kernel.Spreader].
func (k *Kernel) Number() uint32 { return k.table }

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
	rules, err := k.listRules(f)
	if err == nil {
		err = k.markVoid(f, rules)
	}
	return rules, err
}

func (k *Kernel) listRules(f mroute.Family) ([]kernel.Rule, error) {
	var listed []uapi.Rule
	err := k.ns.Do(func() (err error) {
		listed, err = mrule.List(ruleFamily(f))
		return err
	})
	if err != nil {
		return nil, newError("list", fmt.Sprintf("%v rules", f), err, ruleCause)
	}
	rules := make([]kernel.Rule, len(listed))
	for i := range listed {
		rules[i] = newRule(f, &listed[i])
	}
	slices.SortStableFunc(rules, func(a, b kernel.Rule) int { return cmp.Compare(a.Priority, b.Priority) })
	return rules, nil
}

// markVoid marks those rules of others that lead to tables which there are not.
func (k *Kernel) markVoid(f mroute.Family, rules []kernel.Rule) error {
	void := map[uint32]bool{0: false, k.table: false}
	for i := range rules {
		r := &rules[i]
		if r.Own || r.Deed != kernel.Leads {
			continue
		}
		is, known := void[r.Table]
		if !known {
			exists, err := k.tableExists(f, r.Table)
			if err != nil {
				return newError("look for", fmt.Sprintf("%v table %d", f, r.Table), err, ruleCause)
			}
			is = !exists
			void[r.Table] = is
		}
		r.Void = is
	}
	return nil
}

// tableExists reports whether anybody has ever had a table. Of all that it holds the
// first part is read, and no more. Kernels before 4.20, which cannot list one table
// alone, do not tell: there is one.
func (k *Kernel) tableExists(f mroute.Family, table uint32) (bool, error) {
	var s *netlinkSocket
	err := k.ns.Do(func() (err error) {
		s, err = openNetlink()
		return err
	})
	if err != nil {
		return false, err
	}
	defer s.close()
	if err := s.send(uapi.AppendDumpRoutes(nil, s.reserve(1), byte(ruleFamily(f)), table)); err != nil {
		return false, err
	}
	b := make([]byte, dumpSize)
	n, _, err := unix.Recvfrom(s.fd, b, unix.MSG_DONTWAIT)
	if err != nil {
		return false, err
	}
	m, _, err := uapi.NextMessage(b[:n])
	if err != nil || m.Type != uapi.NLMsgDone && m.Type != uapi.NLMsgError {
		return true, err
	}
	errno, err := m.Errno()
	return syscall.Errno(errno) != unix.ENOENT, err
}

// AddRules implements [kernel.Spreader].
func (k *Kernel) AddRules(rules []kernel.Rule) error {
	return k.withRules(func(h *netlink.Handle) error {
		for i, r := range rules {
			err := h.RuleAdd(netlinkRule(r))
			if err == nil || errors.Is(err, unix.EEXIST) {
				continue
			}
			for _, r := range rules[:i] {
				_ = h.RuleDel(netlinkRule(r))
			}
			return newError("add", ruleObject(r), err, ruleCause)
		}
		return nil
	})
}

// DeleteRules implements [kernel.Spreader].
func (k *Kernel) DeleteRules(rules []kernel.Rule) error {
	return k.withRules(func(h *netlink.Handle) error {
		var errs []error
		for _, r := range rules {
			if err := h.RuleDel(netlinkRule(r)); err != nil && !errors.Is(err, unix.ENOENT) {
				errs = append(errs, newError("delete", ruleObject(r), err, ruleCause))
			}
		}
		return errors.Join(errs...)
	})
}

// withRules calls f with a socket for rules. Few routers need one, and not often.
func (k *Kernel) withRules(f func(*netlink.Handle) error) error {
	var h *netlink.Handle
	err := k.ns.Do(func() (err error) {
		h, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return err
	}
	defer h.Close()
	return f(h)
}

func netlinkRule(r kernel.Rule) *netlink.Rule {
	rule := netlink.NewRule()
	rule.Family, rule.Table = ruleFamily(r.Family), int(r.Table)
	rule.IifName, rule.OifName = r.Links.In, r.Links.Out
	rule.Priority, rule.Protocol = kernel.RulePriority, uapi.RTProtMrouted
	return rule
}

func ruleObject(r kernel.Rule) string {
	return fmt.Sprintf("%v rule of %s", r.Family, r.Links.In+r.Links.Out)
}

// newRule is a listed rule, as packets that arrive meet it.
func newRule(f mroute.Family, listed *uapi.Rule) kernel.Rule {
	l := listed.Met()
	r := kernel.Rule{
		Family: f, Links: kernel.Way{In: l.IIF, Out: l.OIF}, Table: l.Table, Priority: l.Priority, Not: l.Invert,
		Own:  l.Protocol == uapi.RTProtMrouted && l.Priority == kernel.RulePriority,
		Some: l.Mark != 0 || l.Mask != 0 || l.L3MDev,
	}
	switch l.Action {
	case uapi.RuleToTable:
		if l.L3MDev {
			r.Deed = kernel.LeadsVRF
		}
	case uapi.RuleGoto:
		r.Deed, r.Goto = kernel.Jumps, l.Goto
	case uapi.RuleNop:
		r.Deed = kernel.Passes
	default:
		r.Deed = kernel.Drops
	}
	if r.Table == defaultTable(f) {
		r.Table = 0
	}
	return r
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
