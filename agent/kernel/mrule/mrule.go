// Package mrule lists the rules of the kernel that lead packets to multicast routing
// tables ("ip mrule"), for who makes such rules and for who looks for what they do.
package mrule

import (
	"errors"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
)

// tries is how often a listing that changed meanwhile is made again.
const tries = 10

// List lists the rules of a family, [uapi.FamilyIPMR] or [uapi.FamilyIP6MR], in the
// network namespace of the thread, in the order in which the kernel asks them. The error
// is [unix.EOPNOTSUPP] or the like if the kernel was made without rules.
func List(family int) ([]uapi.Rule, error) {
	var listed [][]byte
	var err error
	for range tries {
		request := nl.NewNetlinkRequest(unix.RTM_GETRULE, unix.NLM_F_DUMP)
		request.AddData(nl.NewIfInfomsg(family))
		if listed, err = request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWRULE); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	rules := make([]uapi.Rule, len(listed))
	for i, b := range listed {
		if rules[i], err = uapi.DecodeRule(b); err != nil {
			return nil, err
		}
	}
	return rules, nil
}
