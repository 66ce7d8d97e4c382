package show

import (
	"net/netip"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// appendMatch appends "(S, G)", behind G the scope mask of a (*,*) rule:
// "(*, *<FFF0>)".
func appendMatch(dst []byte, m mroute.Match, scopes mroute.ScopeMask) []byte {
	dst = append(dst, '(')
	dst = mroute.AppendPrefix(dst, m.Source)
	dst = append(dst, ", "...)
	dst = mroute.AppendPrefix(dst, m.Group)
	if scopes.Set {
		dst = append(dst, scopes.String()...)
	}
	return append(dst, ')')
}

// appendLiteral appends p as a configuration file has it: without its length
// if that is the full one, and without one if it is 0 (:: is any group).
func appendLiteral(dst []byte, p netip.Prefix) []byte {
	if p.Bits() == 0 || p.IsSingleIP() {
		return p.Addr().AppendTo(dst)
	}
	return p.AppendTo(dst)
}

// anySource reports whether m is of any source.
func anySource(m mroute.Match) bool { return !m.Source.IsValid() || m.Source.Bits() == 0 }
