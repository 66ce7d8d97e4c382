package agent

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/smcroute/kube-smcroute/agent/conf"
	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/show"
	"github.com/smcroute/kube-smcroute/agent/view"
)

var edits = map[ipc.Command]mroute.EditKind{
	ipc.Add:    mroute.AddRoute,
	ipc.Remove: mroute.RemoveRoute,
	ipc.Join:   mroute.AddJoin,
	ipc.Leave:  mroute.RemoveJoin,
}

// Handle implements [ipc.Handler]: it carries out a command of smcroutectl, and
// returns when its effect is in the kernel.
func (a *Agent) Handle(ctx context.Context, req ipc.Request, out io.Writer) error {
	switch req.Command {
	case ipc.Show, ipc.ShowDetail, ipc.ShowJSON:
		return a.show(ctx, req, out)
	case ipc.State:
		about, err := view.ParseAbout(req.Args)
		if err != nil {
			return err
		}
		return a.WriteState(ctx, out, about)
	case ipc.Flush:
		return a.router.Flush(ctx)
	case ipc.Reload:
		a.log.Log(ctx, core.LevelNotice, "reload, asked for by a client")
		return a.Reload(ctx)
	case ipc.Kill:
		a.log.Log(ctx, core.LevelNotice, "ending, asked for by a client")
		call(a.o.OnKill)
		return nil
	}
	kind, ok := edits[req.Command]
	if !ok {
		return fmt.Errorf("unknown command %v", req.Command)
	}
	ed, err := conf.ParseEdit(kind, req.Args)
	if err != nil {
		return err
	}
	err = conf.Misplaced(&ed, func() ([]mroute.LinkView, error) {
		snap, err := a.router.Digest(ctx, nil)
		if err != nil {
			return nil, err
		}
		return snap.Links, nil
	})
	if err != nil {
		return err
	}
	ed.Route.Origin.Ref, ed.Join.Origin.Ref = "client", "client"
	return a.router.Edit(ctx, ed)
}

// namePods names the pods behind links.
func (a *Agent) namePods(s *view.State) {
	if a.o.PodsBehind == nil {
		return
	}
	behind := a.o.PodsBehind()
	for i := range s.Links {
		s.Links[i].Pods = behind[s.Links[i].Name]
	}
}

// WriteState writes the state of the router, as far as it is about some flows, while it
// is gone over: a document of package view, in JSON. With an error the text is not
// complete.
func (a *Agent) WriteState(ctx context.Context, to io.Writer, about view.About) error {
	return writeState(ctx, to, about, a.head(), a.Survey, a.namePods)
}

// head is what documents of the router begin with.
func (a *Agent) head() view.Head {
	return view.Head{Version: a.o.Version, Table: a.o.Table, NetNS: a.o.NetNS}
}

func (a *Agent) show(ctx context.Context, req ipc.Request, out io.Writer) error {
	what := show.ParseWhat(req.Args)
	if what == show.Routes {
		return a.showRoutes(ctx, req.Command, out)
	}
	var asked mroute.Survey
	if what != show.Groups {
		asked.Rules, asked.Whole = func(time.Time, []mroute.RuleView) {}, true // by which links have their tables
	}
	asked.Plain = true
	snap, err := a.router.Survey(ctx, asked)
	if err != nil {
		return err
	}
	text := ""
	if req.Command == ipc.ShowJSON {
		text = show.JSON(snap, what)
	} else {
		text = show.Text(snap, what, req.Command == ipc.ShowDetail)
	}
	_, err = io.WriteString(out, text)
	return err
}

// forms are those of the commands that show something.
var forms = map[ipc.Command]show.Form{ipc.Show: show.Brief, ipc.ShowDetail: show.Detailed, ipc.ShowJSON: show.InJSON}

// showRoutes lists routes while the router is gone over.
func (a *Agent) showRoutes(ctx context.Context, c ipc.Command, out io.Writer) error {
	links, err := a.router.Digest(ctx, nil)
	if err != nil {
		return err
	}
	w := show.NewRoutesWriter(out, forms[c], links.Links)
	snap, err := written(ctx, w, a.router.Survey, mroute.Survey{Whole: true, Plain: c == ipc.Show})
	if err != nil {
		return err
	}
	return w.End(snap)
}
