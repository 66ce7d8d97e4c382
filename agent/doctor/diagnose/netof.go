package diagnose

import (
	"net/netip"

	"github.com/smcroute/kube-smcroute/agent/view"
)

func netOf(a netip.Addr) view.Net {
	if !a.IsValid() {
		return view.Net{}
	}
	return view.Net{Prefix: netip.PrefixFrom(a, a.BitLen())}
}
