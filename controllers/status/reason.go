package status

import (
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// reasonOf names a cause in the API's words. This is the only such table.
func reasonOf(c mroute.Cause) string {
	switch c {
	case mroute.CauseNoInterface:
		return v1alpha1.ReasonInterfaceNotFound
	case mroute.CauseNotMulticast:
		return v1alpha1.ReasonNotMulticastCapable
	case mroute.CauseVIFTableFull:
		return v1alpha1.ReasonVIFTableFull
	case mroute.CauseTableInUse:
		return v1alpha1.ReasonTableInUse
	case mroute.CauseNotSupported:
		return v1alpha1.ReasonKernelUnsupported
	case mroute.CausePermission:
		return v1alpha1.ReasonMissingCapability
	case mroute.CauseDiverted:
		return v1alpha1.ReasonPacketsDiverted
	case mroute.CauseFlowLimit:
		return v1alpha1.ReasonFlowLimitReached
	case mroute.CauseKernel:
		return v1alpha1.ReasonKernelError
	}
	return v1alpha1.ReasonPending
}

// telling has the reasons in the order in which they are worth to be told: what
// the author of an object has to change, then what the node lacks as a whole,
// then what one object lacks, then what time may bring. A reason that is not in
// it, as of a newer agent, comes before NodeNotReporting.
var telling = []string{
	v1alpha1.ReasonInvalid,
	v1alpha1.ReasonConflicted,
	v1alpha1.ReasonHostInterfacesNotPermitted,
	v1alpha1.ReasonPodNetworkNamespacesNotPermitted,
	v1alpha1.ReasonLimitExceeded,
	v1alpha1.ReasonMissingCapability,
	v1alpha1.ReasonKernelUnsupported,
	v1alpha1.ReasonTableInUse,
	v1alpha1.ReasonPacketsDiverted,
	v1alpha1.ReasonVIFTableFull,
	v1alpha1.ReasonKernelError,
	v1alpha1.ReasonFlowLimitReached,
	v1alpha1.ReasonNotMulticastCapable,
	v1alpha1.ReasonInterfaceNotFound,
	v1alpha1.ReasonPodNotReachable,
	anyOther,
	v1alpha1.ReasonNodeNotReporting,
	v1alpha1.ReasonPending,
	v1alpha1.ReasonProgrammed,
}

const anyOther = ""

// rank is the place of a reason in telling: the least is told first.
func rank(reason string) int {
	if i := slices.Index(telling, reason); i >= 0 {
		return i
	}
	return slices.Index(telling, anyOther)
}

// IsRejection reports whether a reason says that an object is not accepted.
func IsRejection(reason string) bool {
	switch reason {
	case v1alpha1.ReasonInvalid, v1alpha1.ReasonConflicted,
		v1alpha1.ReasonHostInterfacesNotPermitted, v1alpha1.ReasonPodNetworkNamespacesNotPermitted,
		v1alpha1.ReasonLimitExceeded:
		return true
	}
	return false
}
