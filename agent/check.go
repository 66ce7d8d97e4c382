package agent

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/conf"
	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// CheckOptions are what Check takes into account besides the file.
type CheckOptions struct {
	DefaultDisable bool          // as in [Options]
	Links          []mroute.Link // that there are
	Level          slog.Level    // less important remarks are left out
}

// Check reads a configuration as the daemon would, writes what it would say to
// w, and reports whether it would accept every line. Missing interfaces are no
// error: the daemon waits for them.
func Check(w io.Writer, path string, o CheckOptions) (ok bool) {
	r := readConf(path, o.DefaultDisable, false)
	if err := r.err; err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		fmt.Fprintf(w, "%s: %v\n", path, err)
		return false
	}
	ok = true
	for _, d := range r.diags {
		if level(d.Severity) >= o.Level {
			fmt.Fprintf(w, "%v\n", d)
		}
		ok = ok && d.Severity != conf.Error
	}
	in := plan.NewIntent()
	in.SetLayer(r.layer)
	res := plan.NewResolver(in, o.Links)
	for _, p := range r.layer.Phyints {
		says := p.State == mroute.PhyintEnabled || p.MRDisc || p.Threshold != 0
		there := slices.ContainsFunc(o.Links, func(l mroute.Link) bool { return p.If.Matches(l.Name, l.Index) })
		if says && !there && core.LevelNotice >= o.Level {
			fmt.Fprintf(w, "%v: waiting: no interface for phyint %s\n", p.Origin, p.If)
		}
	}
	for _, p := range res.Pending(plan.Problems{}, nil) {
		if core.LevelNotice < o.Level {
			break
		}
		fmt.Fprintf(w, "%v: waiting: %s\n", p.Origin, p.Reason)
	}
	d := res.Demand()
	if d.Wanted > mroute.MaxVIFs && len(d.Needs) == 0 { // no rules, by which they could be spread over tables
		fmt.Fprintf(w, "%s: %d interfaces are named, but a table holds %d\n", path, d.Wanted, mroute.MaxVIFs)
	}
	for _, n := range d.Needs {
		if len(n.With) > mroute.MaxVIFs {
			fmt.Fprintf(w, "%s: %s needs %d interfaces with the outputs, but a table of the kernel has %d\n", path, n.Link, len(n.With), mroute.MaxVIFs)
		}
	}
	return ok
}
