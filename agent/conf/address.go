package conf

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// address is a word ADDR[/LEN], bits beyond LEN kept.
type address struct {
	addr netip.Addr
	bits int    // the full length if no LEN was given
	note string // a warning, or nothing
}

// multicast is not netip's: that takes ::ffff:225.1.1.1 for one.
func (a address) multicast() bool {
	return mroute.FamilyOf(a.addr).Multicast().Contains(a.addr)
}

// parseAddress reads ADDR[/LEN]. what is the word's clause, for messages.
// Like inet_pton(3) it takes neither names nor zones, and like atoi(3) it reads
// LEN up to the first byte that is no digit.
func parseAddress(what, word string) (address, error) {
	text, length, hasLength := strings.Cut(word, "/")
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return address{}, errors.New(what + " " + quote(text) + " is not an address: expected one like 192.0.2.1 or 2001:db8::1")
	}
	if addr.Zone() != "" {
		return address{}, errors.New(what + " " + quote(text) + " has a zone: expected an address without %")
	}
	if !hasLength {
		return address{addr: addr, bits: addr.BitLen()}, nil
	}
	n, digits := leadingNumber(length, addr.BitLen())
	if digits == 0 || n > addr.BitLen() {
		return address{}, errors.New(what + " " + text + " has the prefix length " + quote(length) +
			": expected a number up to " + strconv.Itoa(addr.BitLen()))
	}
	a := address{addr: addr, bits: n}
	if digits < len(length) {
		a.note = what + " " + text + " has the prefix length " + quote(length) + ": taken as " + strconv.Itoa(n)
	}
	return a, nil
}

// leadingNumber reads the decimal digits at the start of s. Numbers above limit
// come back as limit+1.
func leadingNumber(s string, limit int) (n, digits int) {
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		n = min(n*10+int(s[digits]-'0'), limit+1)
		digits++
	}
	return n, digits
}

// parseGroup reads the value of a group clause. For :: and ::/0, which only the
// scope mask rule may have, it returns ::/0. note is a warning, or nothing.
func parseGroup(word string) (group netip.Prefix, note string, err error) {
	a, err := parseAddress(kwGroup, word)
	switch {
	case err != nil:
		return group, "", err
	case a.addr.Is6() && a.addr.IsUnspecified() && (a.bits == 0 || a.bits == 128):
		return netip.PrefixFrom(a.addr, 0), a.note, nil
	case !a.multicast():
		return group, "", errNotMulticast(a.addr)
	case a.bits == 0:
		f := mroute.FamilyOf(a.addr)
		return group, "", errors.New("group " + a.addr.String() + " has the prefix length 0: expected 1 to " +
			strconv.Itoa(f.Bits()) + ", or " + f.Multicast().String() + " for every group")
	}
	return netip.PrefixFrom(a.addr, a.bits), a.note, nil
}

func errNotMulticast(group netip.Addr) error {
	return errors.New("group " + group.String() + " is not multicast: expected an address in 224.0.0.0/4 or ff00::/8")
}

// parseSource reads the value of the source clause of a rule for group. It
// returns the zero Prefix for any source, which is what length 0 means, and the
// addresses 0.0.0.0 and :: in either family with whatever length.
func parseSource(word string, group netip.Prefix) (source netip.Prefix, note string, err error) {
	a, err := parseAddress(kwSource, word)
	if err != nil {
		return source, "", err
	}
	if a.addr.IsUnspecified() {
		return source, a.note, nil
	}
	if sf, gf := mroute.FamilyOf(a.addr), mroute.FamilyOf(group.Addr()); sf != gf {
		return source, "", errors.New("source " + a.addr.String() + " is " + sf.String() + " and group " + group.Addr().String() +
			" is " + gf.String() + ": expected both of one family")
	}
	if a.bits == 0 {
		return source, a.note, nil
	}
	if group.Bits() == 0 {
		return source, "", errors.New("source " + a.addr.String() + " with group ::, the scope mask rule: expected source :: or none, as it is for any source")
	}
	if a.note == "" && a.multicast() {
		a.note = "source " + a.addr.String() + " is multicast: no packet comes from such an address"
	}
	return netip.PrefixFrom(a.addr, a.bits), a.note, nil
}

// parseExcept reads ADDR[/LEN][,ADDR[/LEN]...] for a rule of family f.
func parseExcept(list string, f mroute.Family) ([]netip.Prefix, error) {
	except := make([]netip.Prefix, 0, 1+strings.Count(list, ","))
	for word := range strings.SplitSeq(list, ",") {
		if word == "" {
			return nil, errors.New("except " + quote(list) + " has an empty item: expected addresses with a comma between, and no blanks")
		}
		a, err := parseAddress(kwExcept, word)
		if err != nil {
			return nil, err
		}
		if af := mroute.FamilyOf(a.addr); af != f {
			return nil, errors.New("except " + a.addr.String() + " is " + af.String() + " and the group is " + f.String() + ": expected both of one family")
		}
		if a.bits == 0 || a.addr.IsUnspecified() {
			return nil, errors.New("except " + quote(word) + " excludes every source: expected sources or prefixes of length 1 or more")
		}
		except = append(except, netip.PrefixFrom(a.addr, a.bits))
	}
	return except, nil
}

// MaxScopeMask is the greatest scope mask: 16 bits, one for each scope of
// RFC 7346.
const MaxScopeMask = 0xffff

// parseScopeMask reads the first word behind "to" of a (*,*) rule; "" if there
// is none.
func parseScopeMask(word string) (mroute.ScopeMask, error) {
	n, digits := leadingNumber(word, MaxScopeMask)
	if digits == 0 || digits < len(word) || n > MaxScopeMask {
		found := quote(word)
		if word == "" {
			found = "is missing"
		}
		return mroute.ScopeMask{}, errors.New("scope mask " + found + ": expected a decimal number from 0 to 65535 as the first word of the outputs")
	}
	return mroute.ScopeMask{Set: true, Bits: uint16(n)}, nil
}

// neverForwarded reports whether the kernel forwards no group of p: those of
// 224.0.0.0/24 (RFC 5771, section 4), and of IPv6 the scopes interface-local
// and link-local (RFC 7346).
func neverForwarded(p netip.Prefix) bool {
	if p.Addr().Is4() {
		b := p.Addr().As4()
		return p.Bits() >= 24 && b[0] == 224 && b[1] == 0 && b[2] == 0
	}
	b := p.Addr().As16()
	return p.Bits() >= 16 && b[0] == 0xff && (b[1]&0xf == 1 || b[1]&0xf == 2)
}
