package node

import (
	"context"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// Report tells what became of the last World. The error is [ErrNothingYet], or
// that of ctx.
func (p *Programmer) Report(ctx context.Context) (*v1alpha1.MulticastNodeStateStatus, error) {
	return nil, ErrNothingYet
}
