package agent

import (
	"context"
	"fmt"

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
func (a *Agent) Handle(ctx context.Context, req ipc.Request) (string, error) {
	switch req.Command {
	case ipc.Show, ipc.ShowDetail, ipc.ShowJSON:
		return a.show(ctx, req)
	case ipc.State:
		return a.document(ctx)
	case ipc.Flush:
		return "", a.router.Flush(ctx)
	case ipc.Reload:
		a.log.Log(ctx, core.LevelNotice, "reload, asked for by a client")
		return "", a.Reload(ctx)
	case ipc.Kill:
		a.log.Log(ctx, core.LevelNotice, "ending, asked for by a client")
		call(a.o.OnKill)
		return "", nil
	}
	kind, ok := edits[req.Command]
	if !ok {
		return "", fmt.Errorf("unknown command %v", req.Command)
	}
	ed, err := conf.ParseEdit(kind, req.Args)
	if err != nil {
		return "", err
	}
	ed.Route.Origin.Ref, ed.Join.Origin.Ref = "client", "client"
	return "", a.router.Edit(ctx, ed)
}

// State returns the state of the router, with the kernel's counters.
func (a *Agent) State(ctx context.Context) (*view.State, error) {
	snap, err := a.router.Snapshot(ctx, true)
	if err != nil {
		return nil, err
	}
	s := view.From(snap)
	s.Version, s.Table, s.NetNS = a.o.Version, a.o.Table, a.o.NetNS
	if a.o.PodsBehind != nil {
		behind := a.o.PodsBehind()
		for i := range s.Links {
			s.Links[i].Pods = behind[s.Links[i].Name]
		}
	}
	return s, nil
}

func (a *Agent) document(ctx context.Context) (string, error) {
	s, err := a.State(ctx)
	if err != nil {
		return "", err
	}
	defer GiveBackAfter(len(s.Rules) + len(s.Flows))
	// About what a rule and a flow take. With too little the text is copied.
	const perRow = 256
	text, err := s.AppendJSON(make([]byte, 0, 4096+perRow*(len(s.Rules)+len(s.Flows))))
	return string(append(text, '\n')), err
}

func (a *Agent) show(ctx context.Context, req ipc.Request) (string, error) {
	snap, err := a.router.Snapshot(ctx, req.Command != ipc.Show)
	if err != nil {
		return "", err
	}
	defer GiveBackAfter(len(snap.Rules) + len(snap.Entries))
	what := show.ParseWhat(req.Args)
	if req.Command == ipc.ShowJSON {
		return show.JSON(snap, what), nil
	}
	return show.Text(snap, what, req.Command == ipc.ShowDetail), nil
}
