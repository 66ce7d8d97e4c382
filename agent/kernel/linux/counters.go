package linux

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// minAnswers is how few questions a batch is cut down to when the answers don't
// fit the receive buffer: so many fit any.
const minAnswers = 16

// answers holds what reading counters needs from call to call.
type answers struct {
	limit int    // of questions at a time; 0: askBatch
	known []bool // which were answered
	route uapi.Route
}

// Counters implements [kernel.Table]. It asks for each entry with RTM_GETROUTE, many
// at a time: unlike a dump of the table the cost does not grow with what else
// is in there, and unlike SIOCGETSGCNT it tells the idle time. Older kernels lack
// it in IPv6; Idle is -1 there.
func (k *Kernel) Counters(f mroute.Family, sgs []mroute.SG, out []mroute.Counters) error {
	o := k.owner(f)
	if o.err != nil {
		return o.err
	}
	if k.answers.limit == 0 {
		k.answers.limit = askBatch
	}
	for len(sgs) > 0 && !o.noGetRoute {
		n := min(len(sgs), k.answers.limit)
		lost, err := k.getRoutes(f, sgs[:n], out[:n])
		switch {
		case err == unix.EOPNOTSUPP:
			o.noGetRoute = true
			continue
		case err != nil:
			return newError("RTM_GETROUTE", fmt.Sprintf("%v table %d", f, k.table), err, claimCause)
		case lost && n > minAnswers:
			k.answers.limit = max(n/2, minAnswers)
			continue
		case lost:
			return newError("RTM_GETROUTE", fmt.Sprintf("%v table %d", f, k.table), unix.ENOBUFS, claimCause)
		}
		sgs, out = sgs[n:], out[n:]
	}
	for i, sg := range sgs {
		var err error
		if out[i], err = k.sgCount(o, sg); err != nil {
			return err
		}
	}
	return nil
}

// getRoutes reads the counters of up to askBatch entries.
func (k *Kernel) getRoutes(f mroute.Family, sgs []mroute.SG, out []mroute.Counters) (lost bool, err error) {
	for i := range sgs {
		out[i] = mroute.Counters{Idle: -1}
	}
	return k.askRoutes(f, sgs, func(i int, r *uapi.Route) {
		out[i] = mroute.Counters{
			Packets: r.Packets,
			Bytes:   r.Bytes,
			WrongIf: r.WrongIf,
			Idle:    time.Duration(r.Expires) * time.Second / uapi.ClockTicks,
		}
	})
}

// askRoutes asks for up to askBatch entries, and calls each for those that
// are there. It reports whether answers were lost.
func (k *Kernel) askRoutes(f mroute.Family, sgs []mroute.SG, each func(int, *uapi.Route)) (lost bool, err error) {
	known := k.answers.known[:0]
	first := k.cmd.reserve(len(sgs))
	b := k.request[:0]
	for i, sg := range sgs {
		known = append(known, false)
		b = uapi.AppendGetRoute(b, first+uint32(i), k.tableID(f), sg.Source, sg.Group)
	}
	k.request, k.answers.known = b, known
	missing := len(sgs)
	r := &k.answers.route
	lost, err = k.cmd.transact(b, first, len(sgs), func(i int, m uapi.Message) error {
		if !known[i] {
			known[i] = true
			missing--
		}
		switch m.Type {
		case uapi.NLMsgError:
			errno, err := m.Errno()
			if err == nil && syscall.Errno(errno) != unix.ENOENT && errno != 0 {
				err = syscall.Errno(errno)
			}
			return err
		case uapi.RTMNewRoute:
			if err := uapi.DecodeRoute(m.Payload, r); err != nil {
				return err
			}
			each(i, r)
		}
		return nil
	})
	return lost || missing > 0, err
}

// sgCount reads one entry by ioctl.
func (k *Kernel) sgCount(o *owner, sg mroute.SG) (mroute.Counters, error) {
	k.value = uapi.AppendSGReq(k.value[:0], sg.Source, sg.Group, uapi.NativeWord)
	switch errno := ioctl(o.fd, uapi.SIOCGetSGCnt, k.value); errno {
	case 0:
	case unix.EADDRNOTAVAIL, unix.ENOENT:
		return mroute.Counters{Idle: -1}, nil
	default:
		return mroute.Counters{}, newError("SIOCGETSGCNT", sg.String(), errno, claimCause)
	}
	c, err := uapi.DecodeSGReq(k.value, uapi.NativeWord)
	return mroute.Counters{Packets: c.Packets, Bytes: c.Bytes, WrongIf: c.WrongIf, Idle: -1}, err
}
