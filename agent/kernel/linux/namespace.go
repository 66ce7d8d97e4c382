package linux

import (
	"fmt"
	"io/fs"

	"github.com/smcroute/kube-smcroute/agent/netns"
)

// openNamespace opens the namespace that the options ask for, and no other.
func openNamespace(opt Options) (*netns.Namespace, error) {
	ns, err := netns.Open(opt.NetNS)
	if err != nil {
		return nil, err
	}
	if err := checkNamespace(ns, opt); err != nil {
		ns.Close()
		return nil, err
	}
	return ns, nil
}

// checkNamespace looks at what was opened, not at the path: that may be
// another's in a moment.
func checkNamespace(ns *netns.Namespace, opt Options) error {
	if opt.NetNSID == "" && len(opt.NotNetNS) == 0 {
		return nil
	}
	id, err := ns.ID()
	if err != nil {
		return err
	}
	if opt.NetNSID != "" && id != opt.NetNSID {
		return &replacedError{path: ns.String(), id: id, want: opt.NetNSID}
	}
	for _, path := range opt.NotNetNS {
		not, err := netns.Open(path)
		if err != nil {
			return err
		}
		notID, err := not.ID()
		not.Close()
		if err != nil {
			return err
		}
		if id == notID {
			return fmt.Errorf("network namespace %s is the node's own: expected one of a pod", ns)
		}
	}
	return nil
}

// replacedError is that the namespace at a path is another than the one that was
// there. It is an [fs.ErrNotExist]: that one is gone.
type replacedError struct{ path, id, want string }

func (e *replacedError) Error() string {
	return fmt.Sprintf("network namespace %s: another one is there by now: it is %s, expected %s", e.path, e.id, e.want)
}

func (e *replacedError) Unwrap() error { return fs.ErrNotExist }
