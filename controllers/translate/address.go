package translate

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// parsePrefix reads an address, or a prefix, whose bits beyond its length are
// kept.
func parsePrefix(field string, a v1alpha1.Address) (netip.Prefix, error) {
	var p netip.Prefix
	addr, err := netip.ParseAddr(string(a))
	if err == nil {
		p = netip.PrefixFrom(addr, addr.BitLen())
	} else if p, err = netip.ParsePrefix(string(a)); err == nil {
		addr = p.Addr()
	}
	switch {
	case err != nil:
		return p, fmt.Errorf("%s: %q is no address or prefix: expected one like 192.0.2.1, 192.0.2.0/24 or 2001:db8::1", field, a)
	case addr.Zone() != "":
		return p, fmt.Errorf("%s: %s has a zone: expected an address without %%", field, a)
	case addr.Is4In6():
		return p, fmt.Errorf("%s: %s is an IPv4 address in IPv6: expected it as IPv4, %v", field, a, addr.Unmap())
	}
	return p, nil
}

// parseGroups reads spec.groups, each once. They are all of one family. A rule
// can forward no group that the kernel never does.
func parseGroups(list []v1alpha1.Address, forward bool) ([]netip.Prefix, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("spec.groups: expected one group or more")
	}
	return parseList("spec.groups", list, func(field string, p netip.Prefix) error {
		all := mroute.FamilyOf(p.Addr()).Multicast()
		switch {
		case !all.Contains(p.Addr()) || p.Bits() < all.Bits():
			return fmt.Errorf("%s: %s is not multicast: expected an address or prefix in 224.0.0.0/4 or ff00::/8", field, mroute.FormatPrefix(p))
		case forward && neverForwarded(p):
			return fmt.Errorf("%s: %s is link-local: the kernel never forwards it", field, mroute.FormatPrefix(p))
		}
		return nil
	})
}

// parseSources reads spec.sources, each once, of the family. Any source is the
// zero Prefix.
func parseSources(list []v1alpha1.Address, f mroute.Family) ([]netip.Prefix, error) {
	if len(list) == 0 {
		return []netip.Prefix{{}}, nil
	}
	sources, err := parseList("spec.sources", list, func(field string, p netip.Prefix) error {
		switch sf := mroute.FamilyOf(p.Addr()); {
		case sf != f:
			return fmt.Errorf("%s: %s is %v and the groups are %v: expected one family", field, mroute.FormatPrefix(p), sf, f)
		case p.Bits() == 0:
			return nil
		case sf.Multicast().Contains(p.Addr()):
			return fmt.Errorf("%s: %s is multicast: expected the address of a sender", field, mroute.FormatPrefix(p))
		case p.Addr().IsUnspecified():
			return fmt.Errorf("%s: %s is no sender: expected an address, or no sources for any", field, mroute.FormatPrefix(p))
		}
		return nil
	})
	for i, p := range sources {
		if p.Bits() == 0 {
			sources[i] = netip.Prefix{}
		}
	}
	return sources, err
}

// parseList reads a list of one family, and drops what is in it twice.
func parseList(name string, list []v1alpha1.Address, check func(string, netip.Prefix) error) ([]netip.Prefix, error) {
	var family mroute.Family
	ps := make([]netip.Prefix, 0, len(list))
	seen := make(map[netip.Prefix]bool, len(list))
	for i, a := range list {
		field := name + "[" + strconv.Itoa(i) + "]"
		p, err := parsePrefix(field, a)
		if err == nil {
			err = check(field, p)
		}
		if err != nil {
			return nil, err
		}
		f := mroute.FamilyOf(p.Addr())
		if family = cmp.Or(family, f); f != family {
			return nil, fmt.Errorf("%s: %s is %v and %s is %v: expected one family", field, a, f, list[0], family)
		}
		if !seen[p.Masked()] {
			seen[p.Masked()] = true
			ps = append(ps, p)
		}
	}
	return ps, nil
}

// neverForwarded reports whether the kernel forwards no group of p: those of
// 224.0.0.0/24 (RFC 5771, section 4), and of IPv6 the scopes up to link-local
// (RFC 7346).
func neverForwarded(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return localControl.Contains(p.Addr()) && p.Bits() >= localControl.Bits()
	}
	return p.Bits() >= 16 && p.Addr().As16()[1]&0xf <= 2
}

var localControl = netip.MustParsePrefix("224.0.0.0/24")

// joins is how many single joins sources and groups stand for, or limit+1 if
// these are more than limit, which is below 2^31.
func joins(sources, groups []netip.Prefix, limit int) int {
	return min(addresses(sources, limit)*addresses(groups, limit), limit+1)
}

// addresses is how many addresses ps have, any source being one, or limit+1.
func addresses(ps []netip.Prefix, limit int) int {
	n := 0
	for _, p := range ps {
		host := 0
		if p.IsValid() {
			host = p.Addr().BitLen() - p.Bits()
		}
		if host > 31 {
			return limit + 1
		}
		if n += 1 << host; n > limit {
			return limit + 1
		}
	}
	return n
}

// checkInterface refuses what no name of an interface can be, and above all
// what means something else in an [mroute.IfPattern].
func checkInterface(field string, name v1alpha1.Interface) error {
	s := strings.TrimSuffix(string(name), "+")
	blank := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
	if name == "" || len(name) > 15 || name == "." || name == ".." || strings.ContainsAny(s, "/:+") || strings.ContainsFunc(s, blank) {
		return fmt.Errorf("%s: %q is no name of an interface: expected 1 to 15 characters without blanks, / and :, or a prefix with one + behind it", field, name)
	}
	return nil
}
