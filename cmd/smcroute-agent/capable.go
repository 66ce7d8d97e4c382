package main

import (
	"errors"
	"fmt"
	"os"

	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/smcroute/kube-smcroute/agent/kernel"
)

// needed are the capabilities that the agent works with. The kernel lets go
// without NET_ADMIN for a while: with its default table, until an object names
// another one. So it is asked for at the start.
var needed = []struct {
	value cap.Value
	name  string // in a pod's security context
	what  string
}{
	{cap.NET_ADMIN, "NET_ADMIN", "the kernel's multicast routing tables"},
	{cap.NET_RAW, "NET_RAW", "raw IGMP and ICMPv6 sockets"},
}

// capable returns an error for each capability that the process lacks.
func (s *service) capable() error {
	set := s.capabilities()
	var errs []error
	for _, n := range needed {
		has, err := set.GetFlag(cap.Effective, n.value)
		if err != nil {
			return fmt.Errorf("capabilities of this process: %w", err)
		}
		if !has {
			errs = append(errs, &incapable{fmt.Sprintf("CAP_%s is missing, which %s need: add %s to securityContext.capabilities.add of the agent's container",
				n.name, n.what, n.name)})
		}
	}
	if len(errs) > 0 && os.Geteuid() != 0 {
		errs = append(errs, errors.New("only user 0 has the capabilities that are added to a container: expected runAsUser: 0"))
	}
	return errors.Join(errs...)
}

// incapable is a capability that is missing.
type incapable struct{ text string }

func (e *incapable) Error() string { return e.text }
func (e *incapable) Unwrap() error { return kernel.ErrPermission }
