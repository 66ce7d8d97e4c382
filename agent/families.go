package agent

import (
	"errors"
	"log/slog"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// TellFamilies logs in which families there is no multicast routing, and why.
// One that works is enough to go on.
func TellFamilies(log *slog.Logger, k kernel.Kernel) {
	for _, f := range mroute.Families {
		err := k.FamilyErr(f)
		switch {
		case err == nil:
		case errors.Is(err, kernel.ErrNotSupported):
			log.Info("No multicast routing in this family", "family", f, "error", err)
		default:
			log.Warn("No multicast routing in this family", "family", f, "error", err)
		}
	}
}
