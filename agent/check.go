package agent

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/smcroute/kube-smcroute/agent/conf"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// Check reads a configuration as the daemon would on those links, writes what
// it would say to w, and reports whether it would accept every line. Missing
// interfaces are no error: the daemon waits for them.
func Check(w io.Writer, path string, defaultDisable bool, links []mroute.Link) (ok bool) {
	layer, diags, err := readConf(path, defaultDisable)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		fmt.Fprintf(w, "%s: %v\n", path, err)
		return false
	}
	ok = true
	for _, d := range diags {
		fmt.Fprintf(w, "%v\n", d)
		ok = ok && d.Severity != conf.Error
	}
	in := plan.NewIntent()
	in.SetLayer(layer)
	res := plan.NewResolver(in, links)
	for _, p := range res.Pending(nil) {
		fmt.Fprintf(w, "%v: waiting: %s\n", p.Origin, p.Reason)
	}
	if n := len(res.WantVIFs()); n > mroute.MaxVIFs {
		fmt.Fprintf(w, "%s: %d interfaces are named, but a table holds %d\n", path, n, mroute.MaxVIFs)
	}
	return ok
}
