package sim

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// refuse is the error of an op that the kernel refuses with errno.
func refuse(op mroute.Op, errno syscall.Errno, cause error) *kernel.Error {
	return &kernel.Error{Op: op.Kind.String(), Object: object(op), Errno: errno, Cause: cause}
}

// injected makes the error of a Fail function one of the port.
func injected(op mroute.Op, err error) error {
	var known *kernel.Error
	if errors.As(err, &known) {
		return err
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return refuse(op, errno, nil)
	}
	return refuse(op, 0, err)
}

// object names what an op is about.
func object(op mroute.Op) string {
	switch op.Kind {
	case mroute.AddVIF:
		return fmt.Sprintf("%v VIF %d (%s)", op.Family, op.VIF, op.Link.Name)
	case mroute.DelVIF:
		return fmt.Sprintf("%v VIF %d", op.Family, op.VIF)
	case mroute.JoinGroup, mroute.LeaveGroup:
		return fmt.Sprintf("%v on %s", op.SG, op.Link.Name)
	}
	return op.SG.String()
}

// tableName is the object of errors about a whole table.
func tableName(f mroute.Family, id uint32) string { return fmt.Sprintf("%v table %d", f, id) }
