package linux

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/netns"
)

// Options say which table of which namespace to open.
type Options struct {
	// NetNS is the path of a network namespace, /run/netns/NAME or
	// /proc/PID/ns/net; "" is the one that this process is in.
	NetNS string

	// NetNSID is the id that the namespace at NetNS must have, see
	// [mroute.NetNSID]: paths are used again. "": any.
	NetNSID string

	// NotNetNS are the paths of namespaces that must not be the one at NetNS,
	// "" being that of this process: for NetNS of a pod, those of the node.
	NotNetNS []string

	// Table is the id of the multicast routing table (MRT_TABLE): up to
	// 999,999,999 in IPv4, 99,999,999 in IPv6. 0 is the default table, to which
	// packets go unless a rule says otherwise.
	Table uint32

	// Keep is how the next process gets the tables; nil: they end with this one.
	Keep *keep.Keeping

	// Log gets warnings about what is missing but not needed. nil: none.
	Log *slog.Logger
}

// Kernel implements [kernel.Kernel].
type Kernel struct {
	options Options // that it was opened with

	ns     *netns.Namespace
	table  uint32
	owners [len(mroute.Families)]owner
	groups [len(mroute.Families)]groups
	kept   *kept // nil: all ends with this process

	// Of the goroutine which calls the methods of kernel.Table:

	cmd     *netlinkSocket
	request []byte // requests to cmd
	value   []byte // of a socket option
	batch   []int  // see Apply
	answers answers
	held    [len(mroute.Families)]mroute.Held // until settled
	foreign [len(mroute.Families)]kernel.Foreign
	settled [len(mroute.Families)]bool

	linksMu sync.Mutex // guards links: Observer may be called from elsewhere
	links   *netlinkSocket

	notices *notices // of changed links
	readers []reader // of Watch
	closed  atomic.Bool
}

var (
	_ kernel.Kernel = (*Kernel)(nil)
	_ kernel.Loser  = (*Kernel)(nil)
)

// Open claims the table, each family by itself. It fails if no family could be
// claimed; the error unwraps to the *kernel.Error of each. A family that
// failed alone is told by FamilyErr.
func Open(opt Options) (*Kernel, error) {
	if opt.Table > uapi.MaxTable4 {
		return nil, fmt.Errorf("table %d: expected 0 to %d", opt.Table, uapi.MaxTable4)
	}
	ns, err := openNamespace(opt)
	if err != nil {
		return nil, err
	}
	k := &Kernel{options: opt, ns: ns, table: opt.Table}
	if err := ns.Do(func() error { return k.open(opt) }); err != nil {
		_ = k.Detach()
		return nil, err
	}
	return k, nil
}

// open runs inside the namespace.
func (k *Kernel) open(opt Options) error {
	log := opt.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	// Before anything is read: no change of a link may go unnoticed.
	var err error
	if k.notices, err = openNotices(); err != nil {
		return err
	}
	k.readers = append(k.readers, reader{k.notices.file, k.notices.watch})
	if k.cmd, err = openNetlink(); err != nil {
		return err
	}
	if k.links, err = openNetlink(); err != nil {
		return err
	}
	if opt.Keep != nil {
		if k.kept, err = newKept(k, opt.Keep, log); err != nil {
			return err
		}
	}
	var errs []error
	for i, f := range mroute.Families {
		k.groups[i] = groups{family: f, ns: k.ns, kept: k.kept}
		o := &k.owners[i]
		o.family = f
		if o.err = o.claim(opt.Table, k.kept, log); o.err == nil {
			o.err = k.find(o, log)
		}
		if o.err != nil {
			_ = o.detach()
			errs = append(errs, o.err)
			continue
		}
		k.readers = append(k.readers, reader{o.file, upcallReader(o)})
	}
	if len(errs) == len(mroute.Families) {
		return errors.Join(errs...)
	}
	return nil
}

// FamilyErr implements [kernel.Table].
func (k *Kernel) FamilyErr(f mroute.Family) error {
	if err := k.owner(f).err; err != nil {
		return err
	}
	return nil
}

// Close implements [kernel.Table]. It also ends Watch.
func (k *Kernel) Close() error { return k.end(true) }

// Detach implements [kernel.Table]. It also ends Watch. What is kept is kept as
// long as [keep.Store] lasts.
func (k *Kernel) Detach() error { return k.end(k.kept == nil) }

func (k *Kernel) end(remove bool) error {
	if k.closed.Swap(true) {
		return nil
	}
	var errs []error
	for i := range mroute.Families {
		o, g := &k.owners[i], &k.groups[i]
		if !remove {
			g.detach()
			errs = append(errs, o.detach())
			continue
		}
		g.close()
		errs = append(errs, k.remove(o))
	}
	if k.cmd != nil {
		k.cmd.close()
	}
	k.linksMu.Lock()
	defer k.linksMu.Unlock()
	if k.links != nil {
		k.links.close()
	}
	if k.notices != nil {
		k.notices.close()
	}
	k.ns.Close()
	return errors.Join(errs...)
}

func familyIndex(f mroute.Family) int {
	if f == mroute.IPv6 {
		return 1
	}
	return 0
}

func (k *Kernel) owner(f mroute.Family) *owner { return &k.owners[familyIndex(f)] }

// tableID is the number by which rtnetlink knows the table.
func (k *Kernel) tableID(f mroute.Family) uint32 {
	if k.table != 0 {
		return k.table
	}
	return defaultTable(f)
}

func defaultTable(f mroute.Family) uint32 {
	if f == mroute.IPv6 {
		return uapi.DefaultTable6
	}
	return uapi.DefaultTable4
}

// level is that of a family's socket options.
func level(f mroute.Family) int {
	if f == mroute.IPv6 {
		return unix.IPPROTO_IPV6
	}
	return unix.IPPROTO_IP
}

// domain is the address family of a family's sockets.
func domain(f mroute.Family) int {
	if f == mroute.IPv6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}
