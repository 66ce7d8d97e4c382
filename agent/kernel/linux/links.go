package linux

import (
	"errors"
	"fmt"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/netns"
)

// dumpTries is how often a listing that changed meanwhile is made again.
const dumpTries = 10

// Links implements [kernel.Observer]. Unlike the methods of Table it may be
// called from any goroutine.
func (k *Kernel) Links() ([]mroute.Link, error) {
	k.linksMu.Lock()
	defer k.linksMu.Unlock()
	return k.links.listLinks()
}

// ListLinks lists the interfaces of the network namespace at path, "" for that
// of the process, by index. It needs no privileges but those of entering a namespace.
func ListLinks(path string) ([]mroute.Link, error) {
	ns, err := netns.Open(path)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	var links []mroute.Link
	err = ns.Do(func() error {
		s, err := openNetlink()
		if err != nil {
			return err
		}
		defer s.close()
		links, err = s.listLinks()
		return err
	})
	return links, err
}

func (s *netlinkSocket) listLinks() (links []mroute.Link, err error) {
	for range dumpTries {
		links = links[:0]
		seq := s.reserve(1)
		err = s.list(uapi.AppendDumpLinks(nil, seq), seq, func(m uapi.Message) error {
			l, err := uapi.DecodeLink(m.Payload)
			links = append(links, newLink(l))
			return err
		})
		if !errors.Is(err, errDumpInterrupted) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list of links: %w", err)
	}
	slices.SortFunc(links, func(a, b mroute.Link) int { return a.Index - b.Index })
	return links, nil
}

func newLink(l uapi.Link) mroute.Link {
	return mroute.Link{
		Index:     int(l.Index),
		Name:      l.Name,
		Up:        l.Flags&uapi.IFFUp != 0,
		Multicast: l.Flags&uapi.IFFMulticast != 0,
		Loopback:  l.Flags&uapi.IFFLoopback != 0,
	}
}
