package main

import (
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/conf"
	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// edits are the commands after which something may wait, and what they add.
var edits = map[ipc.Command]mroute.EditKind{ipc.Add: mroute.AddRoute, ipc.Join: mroute.AddJoin}

// waiting says what of a route or membership that was just added is not in effect,
// and why: nobody would notice a typing error in the name of an interface. It is no
// error, as the interface may come. A daemon that has no answer, such as SMCRoute's,
// is not complained about; nor is one asked for each line of a batch, nor where all the
// interfaces are there, as that would make a route dear that is one of very many.
func (c *control) waiting(ctx context.Context, cmd *command, args []string) {
	kind, ok := edits[cmd.letter]
	if !ok || c.line > 0 {
		return
	}
	edit, err := conf.ParseEdit(kind, args)
	if err != nil {
		return // and the daemon took it for something else
	}
	if allHere(&edit) {
		return
	}
	added, from, match := mroute.PendingRoute, edit.Route.From, edit.Route.Match
	if kind == mroute.AddJoin {
		added, from, match = mroute.PendingGroup, edit.Join.If, edit.Join.Match
	}
	source, group := view.Net{Prefix: match.Source}, view.Net{Prefix: match.Group}
	s, complaints := c.state(ctx, view.About{Source: source, Group: group})
	if len(complaints) > 0 {
		return
	}
	for i := range s.Pending {
		p := &s.Pending[i]
		if p.Kind == string(added) && p.IIF == string(from) && p.Source == source && p.Group == group && p.Cause != mroute.CauseInProgress.String() {
			fmt.Fprintf(c.stderr, "%s: waiting: %s\n", program, view.Printable(p.Reason))
		}
	}
}

// links are those of this program's network namespace, which most often is the daemon's.
var links = net.Interfaces

// allHere reports whether there is a link fit for each pattern of an edit.
func allHere(edit *mroute.Edit) bool {
	patterns := []mroute.IfPattern{edit.Route.From, edit.Join.If}
	for _, o := range edit.Route.To {
		patterns = append(patterns, o.If)
	}
	all, err := links()
	return err == nil && !slices.ContainsFunc(patterns, func(p mroute.IfPattern) bool {
		return p != "" && !slices.ContainsFunc(all, func(l net.Interface) bool {
			return l.Flags&net.FlagMulticast != 0 && p.Matches(l.Name, l.Index)
		})
	})
}
