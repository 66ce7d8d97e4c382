package linux

import (
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// askAgain is for flows that waited for an entry when the table was listed, and
// about which the process before may have read the kernel's question. The kernel
// would not repeat it for 10 seconds. Those about which nothing is in the queue of
// the owner's socket it is made to forget, with up to four packets of each, so that
// it asks about the next.
func (k *Kernel) askAgain(o *owner, waiting []mroute.SG) {
	asked := map[mroute.SG]bool{}
	rx := newMmsg(upcallBatch, upcallSize)
	for len(o.early) < maxEarly {
		n, errno := rx.recv(o.fd)
		if errno != 0 {
			break
		}
		ups := appendUpcalls(nil, rx, n, o.decode())
		for _, u := range ups {
			asked[u.SG] = asked[u.SG] || u.Kind == mroute.NoCache
		}
		o.early = append(o.early, ups...)
	}
	// Else it would ask about the entries that are made for this.
	_ = unix.SetsockoptInt(o.fd, level(o.family), uapi.MRTPIM, 0)
	for _, sg := range waiting {
		if asked[sg] {
			continue
		}
		mfc := uapi.MFC{Origin: sg.Source, Group: sg.Group}
		k.value = mfc.Append(k.value[:0])
		if setsockopt(o.fd, level(o.family), uapi.MRTAddMFC, k.value) == 0 {
			setsockopt(o.fd, level(o.family), uapi.MRTDelMFC, k.value)
		}
	}
	_ = unix.SetsockoptInt(o.fd, level(o.family), uapi.MRTPIM, 1)
}

// maxEarly bounds what is read before there is somebody to tell. It is more than
// the kernel has waiting.
const maxEarly = 4096
