package node

import (
	"context"
	"log/slog"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/status"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// levelNotice lies between Info and Warn, like syslog's LOG_NOTICE.
const levelNotice = slog.LevelInfo + 2

// transitions logs a line when an object's state changes, and none otherwise.
type transitions struct {
	log  *slog.Logger
	last map[identity]string // reasons
}

// identity is that of an object of the API, of one UID.
type identity struct {
	kind                 translate.Kind
	namespace, name, uid string
}

func newTransitions(log *slog.Logger) *transitions {
	return &transitions{log: log, last: map[identity]string{}}
}

// update takes the state of all objects.
func (t *transitions) update(s *v1alpha1.MulticastNodeStateStatus) {
	now := make(map[identity]string, len(s.Routes)+len(s.Groups))
	see := func(kind translate.Kind, states []v1alpha1.ObjectState) {
		for i := range states {
			o := &states[i]
			key := identity{kind, o.Namespace, o.Name, o.UID}
			now[key] = o.Reason
			if t.last[key] != o.Reason {
				t.line(key, o)
			}
		}
	}
	see(translate.RouteKind, s.Routes)
	see(translate.GroupKind, s.Groups)
	for key := range t.last {
		if _, ok := now[key]; !ok {
			t.log.Log(context.Background(), levelNotice, "No longer asked for", key.attrs()...)
		}
	}
	t.last = now
}

func (o identity) attrs() []any {
	return []any{"kind", string(o.kind), "namespace", o.namespace, "name", o.name}
}

// line tells of one object.
func (t *transitions) line(key identity, o *v1alpha1.ObjectState) {
	attrs := append(key.attrs(), "generation", o.Generation)
	level, text := slog.LevelWarn, "Not programmed"
	switch {
	case o.Reason == v1alpha1.ReasonProgrammed:
		t.log.Log(context.Background(), levelNotice, "Programmed", attrs...)
		return
	case o.Reason == v1alpha1.ReasonPending:
		level, text = slog.LevelInfo, "Not programmed yet"
	case status.IsRejection(o.Reason):
		text = "Not accepted"
	}
	t.log.Log(context.Background(), level, text, append(attrs, "reason", o.Reason, "message", o.Message)...)
}
