package linux

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// kept is what a kernel keeps beyond its end, and under which names:
//
//	NETNS/TABLE/FAMILY/owner          the socket that owns the table
//	NETNS/TABLE/FAMILY/groups/GEN.N   a socket with memberships
//
// NETNS is the id of the namespace with a "-" for its ":", which systemd does not
// allow. GEN tells the sockets of one kernel from those of another.
type kept struct {
	keep.Keeping
	place  string // NETNS/TABLE
	cookie uint64 // of the namespace, see netnsCookie
	gen    string
	failed atomic.Bool // something could not be put into the store
	log    *slog.Logger
}

// newKept runs inside the namespace.
func newKept(k *Kernel, keeping *keep.Keeping, log *slog.Logger) (*kept, error) {
	id, err := k.ns.ID()
	if err != nil {
		return nil, err
	}
	return &kept{
		Keeping: *keeping,
		place:   placeName(id, k.table),
		cookie:  netnsCookie(k.cmd.fd),
		gen:     strconv.FormatInt(time.Now().UnixNano(), 10),
		log:     log,
	}, nil
}

// placeName is NETNS/TABLE.
func placeName(netns string, table uint32) string {
	return fmt.Sprintf("%s/%d", strings.ReplaceAll(netns, ":", "-"), table)
}

// netnsCookie is a number of the namespace that a socket is in which no other has
// had since the system started, unlike its inode. It is 0 before Linux 5.14.
func netnsCookie(fd int) uint64 {
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return 0
	}
	return cookie
}

func (p *kept) ownerName(f mroute.Family) string { return familyName(p.place, f) + keep.OwnerSuffix }

func (p *kept) groupsPrefix(f mroute.Family) string { return groupsPrefix(p.place, f) }

func groupsPrefix(place string, f mroute.Family) string { return familyName(place, f) + "/groups/" }

func familyName(place string, f mroute.Family) string { return place + "/" + f.String() }

// record is the table's name in the records.
func (p *kept) record(f mroute.Family) string { return recordName(p.place, f, p.cookie) }

func recordName(place string, f mroute.Family, cookie uint64) string {
	return fmt.Sprintf("%s/%d", familyName(place, f), cookie)
}

// put has the store hold a socket. What it does not hold works all the same, and
// ends with this process.
func (p *kept) put(name string, fd int, flush bool) {
	if err := p.Store.Put(name, fd, flush); err != nil && !p.failed.Swap(true) {
		p.log.Warn("Packets will be lost if this process ends now: what it has in the kernel is not kept.", "err", err)
	}
}

// dropGroups gives up the memberships of one family that the store holds, but
// for those of a generation.
func (p *kept) dropGroups(f mroute.Family, but string) {
	prefix := p.groupsPrefix(f)
	dropNewestFirst(p.Store, prefix, func(gen string) bool { return gen != but })
}

// dropNewestFirst drops the sockets whose names begin with a prefix, of the
// generations that which chooses. The kernel searches the newest first.
func dropNewestFirst(store keep.Store, prefix string, which func(gen string) bool) {
	numbers := map[string]uint64{}
	for _, name := range store.Names() {
		rest, ok := strings.CutPrefix(name, prefix)
		gen, n, dot := strings.Cut(rest, ".")
		if ok && dot && which(gen) {
			numbers[name], _ = strconv.ParseUint(n, 10, 64)
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(numbers), func(a, b string) int {
		return cmp.Or(cmp.Compare(numbers[b], numbers[a]), strings.Compare(b, a))
	}) {
		store.Drop(name)
	}
}

// flushAll empties the table that a socket owns. It needs no capability.
func flushAll(f mroute.Family, fd int) error {
	return unix.SetsockoptInt(fd, level(f), uapi.MRTFlush, uapi.MRTFlushAll)
}
